"""The release before this one, as a directory that Python imports from: the wheel of the commit in
tests/data/previous-release, built once and kept in the cache.

`python -m tests.tools.previous` prints the directory.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab.cache import cached
from tests.tools.project import BIN, ROOT

COMMIT_FILE = ROOT / "tests" / "data" / "previous-release"
SOURCES = ("pyproject.toml", "galaxy.yml", "README.md", "LICENSE", "src")
"""What a wheel is made of."""


class NoSuchCommit(Exception):
    """This checkout has not the history that the previous release is built from."""


def commit() -> str:
    """The full id; whoever makes a release writes it anew."""
    return COMMIT_FILE.read_text().strip()


def package() -> Path:
    """Holds the package `dte` of the previous release and its metadata; what it needs comes from elsewhere.

    Raises NoSuchCommit with what to do.
    """
    return cached("previous", commit(), _make)


def _make(directory: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="dte-previous-") as name:
        source = Path(name)
        subprocess.run(["tar", "-x", "-C", source], input=_archive(commit()), check=True)
        pip = (BIN / "pip", "--quiet")
        wheels = source / "wheels"
        subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, source], check=True)
        (wheel,) = wheels.glob("*.whl")
        subprocess.run([*pip, "install", "--no-deps", "--no-compile", "--target", directory, wheel], check=True)


def _archive(wanted: str) -> bytes:
    command = ["git", "-C", ROOT, "archive", "--format=tar", wanted, "--", *SOURCES]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise NoSuchCommit(
            f"the previous release {wanted} ({COMMIT_FILE.relative_to(ROOT)}) is not in this checkout: "
            f"git fetch --unshallow, or clone with its history. git said: {said}"
        )
    return done.stdout


if __name__ == "__main__":
    try:
        print(package())
    except NoSuchCommit as error:
        sys.exit(str(error))
