"""Build our wheel and the offline archive: dist/intertwin-dte-wheelhouse-VERSION.tar.

The archive holds `wheels/` (ours and all it needs, for the Python versions of Debian 12 and 13) and
`requirements/COMPONENT.txt`, where every wheel is pinned by its hash. The same sources give the same bytes.
"""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from tests.tools.project import BIN, DIST, EXTRAS, ROOT, cache, lock_file, version

PYTHONS = ("3.11", "3.13")
"""Debian 12 and Debian 13."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
EPOCH = "315532800"
"""1980-01-01, the oldest time that a zip file can hold."""
SOURCES = ("pyproject.toml", "galaxy.yml", "README.md", "LICENSE", "requirements", "src", "tests/tools/wheelhouse.py")


def main() -> None:
    print(archive())


def archive() -> Path:
    """The archive, built unless it is there for these very sources."""
    target = DIST / f"intertwin-dte-wheelhouse-{version()}.tar"
    stamp = DIST / ".wheelhouse.sha256"
    wanted = _digest(_source_files())
    if target.exists() and stamp.exists() and stamp.read_text() == wanted:
        return target
    wheel = build_wheel()
    members = {f"wheels/{path.name}": path.read_bytes() for path in (wheel, *_third_party())}
    members |= {f"requirements/{name}.txt": text.encode() for name, text in requirements(wheel).items()}
    write_tar(target, members)
    stamp.write_text(wanted)
    return target


def build_wheel() -> Path:
    """Our wheel in dist/; byte for byte the same for the same sources."""
    DIST.mkdir(exist_ok=True)
    for old in DIST.glob("intertwin_dte-*.whl"):
        old.unlink()
    command = [BIN / "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", DIST, ROOT]
    subprocess.run(command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})
    (wheel,) = DIST.glob("intertwin_dte-*.whl")
    return wheel


def requirements(wheel: Path) -> dict[str, str]:
    """The lock file of each component with our own wheel, pinned by its hash, at the end."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    own = f"intertwin-dte=={version()} \\\n    --hash=sha256:{digest}\n"
    return {component: lock_file(component).read_text() + own for component in EXTRAS}


def _third_party() -> list[Path]:
    """Wheels of everything in the lock files, downloaded once for each content of those files."""
    locks = [lock_file(component) for component in EXTRAS]
    store = cache("wheels") / _digest(locks)[:16]
    if not store.exists():
        with tempfile.TemporaryDirectory(dir=store.parent) as scratch:
            for python in PYTHONS:
                # The components share most packages, at one version each: pip refuses a second.
                wanted = {entry for lock in locks for entry in applicable(lock.read_text(), python)}
                _download(sorted(wanted), python, Path(scratch))
            Path(scratch).rename(store)
            Path(scratch).mkdir()  # for the clean-up of the context
    return sorted(store.glob("*.whl"))


def applicable(lock: str, python: str) -> list[str]:
    """The entries of a lock file that hold for a Linux host with that Python, without their markers.

    pip judges markers by the interpreter that runs it, not by the one it downloads for.
    """
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    entries = []
    for entry in re.split(r"\n(?=\S)", lock):
        head, _, hashes = entry.partition(" \\\n")
        if not hashes:
            continue
        requirement = Requirement(head)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            entries.append(f"{requirement.name}{requirement.specifier} \\\n{hashes.rstrip()}")
    return entries


def _download(entries: Sequence[str], python: str, store: Path) -> None:
    lock = store / "requirements.txt"
    lock.write_text("\n".join(entries) + "\n")
    target = [f"--platform={platform}" for platform in PLATFORMS]
    target += ["--implementation=cp", f"--python-version={python}", "--only-binary=:all:"]
    command = [BIN / "pip", "download", "--quiet", "--no-deps", "--require-hashes", *target]
    subprocess.run([*command, f"--dest={store}", f"--requirement={lock}"], check=True)
    lock.unlink()


def write_tar(target: Path, members: Mapping[str, bytes]) -> None:
    """A tar that depends on its content only; the finished file is renamed into place."""
    temporary = target.with_suffix(".new")
    with tarfile.open(temporary, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(members):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(members[name]), 0o644
            tar.addfile(info, io.BytesIO(members[name]))
    temporary.rename(target)


def _source_files() -> Iterable[Path]:
    for name in SOURCES:
        path = ROOT / name
        found = path.rglob("*") if path.is_dir() else [path]
        yield from (item for item in sorted(found) if item.is_file() and "__pycache__" not in item.parts)


def _digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256(sys.version.encode())
    for path in paths:
        total.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


if __name__ == "__main__":
    main()
