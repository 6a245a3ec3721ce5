"""ansible-test sanity on a copy of the collection at a path that it accepts, without its download server."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tools.project import BIN, ROOT, cache

PARTS = (
    "galaxy.yml",
    "meta",
    "plugins",
    "roles",
    "playbooks",
    "README.md",
    "CHANGELOG.rst",
    "changelogs",
    "LICENSES",
    "tests/sanity",
)
"""What the collection is made of; daemons and tests have their own linters."""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
BOOTSTRAP = '''"""Stands in for the pip installer that ansible-test would download."""
import subprocess
import sys

wanted = [arg for arg in sys.argv[1:] if arg not in ("--no-setuptools", "--no-wheel")]
# ensurepip in its own process: it blanks the PIP_* settings of the process that imports it.
subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *wanted]))
'''


def main() -> int:
    home = cache("sanity")
    # A checkout of its own, as two may run side by side.
    place = copy_collection(home / digest(ROOT) / "ansible_collections" / "intertwin" / "dte")
    give_bootstrap(home)
    environ = {**os.environ, "HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}"}
    command = [BIN / "ansible-test", "sanity", "--python", PYTHON, "--color", "no"]
    done = subprocess.run(
        command, cwd=place, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode != 0:
        print(done.stdout)
        return 1
    # Where it sees no file it skips all targets and succeeds.
    if not re.search(r"Running sanity test", done.stdout) or "All targets skipped" in done.stdout:
        print(f"ansible-test saw no file in {place}:\n{done.stdout}")
        return 1
    print(f"{len(re.findall('Running sanity test', done.stdout))} sanity tests passed on {count(place)} files")
    return 0


def copy_collection(place: Path) -> Path:
    """The files that git knows, and new ones that it does not ignore, in a git repository of their own."""
    shutil.rmtree(place, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard", "--", *PARTS], cwd=ROOT, check=True, capture_output=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, target)
    if count(place) == 0:
        raise SystemExit(f"no file of the collection below {ROOT}")
    subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
    subprocess.run(["git", "add", "--all"], cwd=place, check=True)
    return place


def digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:8]


def count(place: Path) -> int:
    return sum(1 for path in place.rglob("*") if path.is_file() and ".git" not in path.parts)


def give_bootstrap(home: Path) -> None:
    """Put BOOTSTRAP where ansible-test keeps its download, under the version of pip that it wants."""
    (source,) = Path(BIN.parent, "lib").glob("python*/site-packages/ansible_test/_internal/python_requirements.py")
    version = re.search(r"\bpip='([0-9.]+)'", source.read_text())
    assert version, f"{source} does not name the version of pip any more"
    place = home / ".ansible" / "test" / "cache"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"get_pip_{version[1].replace('.', '_')}.py").write_text(BOOTSTRAP)


if __name__ == "__main__":
    sys.exit(main())
