"""`make build`: dist/intertwin_dte-VERSION-*.whl and dist/intertwin-dte-VERSION.tar.gz, the collection with the wheel.

The collection carries the wheel and the locked requirements in roles/dte/files/wheelhouse, so that a host with a
package index needs nothing else. They are put there for the build and are never committed.
"""

import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.tools import wheelhouse
from tests.tools.project import BIN, DIST, ROOT, version

FILES = ROOT / "roles" / "dte" / "files" / "wheelhouse"
MAX_BYTES = 20 << 20
"""What Galaxy takes."""


def main() -> None:
    wheel = wheelhouse.build_wheel()
    fill_role_files(wheel)
    collection = build_collection()
    check(collection, wheel)
    print(wheel)
    print(collection)


def fill_role_files(wheel: Path) -> None:
    """Write the wheel and the requirements of each component where the role `dte` copies them from."""
    shutil.rmtree(FILES, ignore_errors=True)
    (FILES / "wheels").mkdir(parents=True)
    (FILES / "requirements").mkdir()
    shutil.copyfile(wheel, FILES / "wheels" / wheel.name)
    for component, text in wheelhouse.requirements(wheel).items():
        (FILES / "requirements" / f"{component}.txt").write_text(text)


def build_collection() -> Path:
    command = [BIN / "ansible-galaxy", "collection", "build", "--force", "--output-path", DIST, ROOT]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return DIST / f"intertwin-dte-{version()}.tar.gz"


def check(collection: Path, wheel: Path) -> None:
    """Refuse a collection that Galaxy would not take, or that holds what is no part of it."""
    with tarfile.open(collection) as tar:
        names = tar.getnames()
    if f"roles/dte/files/wheelhouse/wheels/{wheel.name}" not in names:
        raise SystemExit(f"{collection}: the wheel is missing")
    strangers = [
        name for name in names if name.split("/")[0] in ("src", "tests", "molecule", ".venv", ".cache", ".lab")
    ]
    if strangers:
        raise SystemExit(
            f"{collection}: must not hold {', '.join(strangers[:5])}: add them to build_ignore of galaxy.yml"
        )
    if collection.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{collection}: {collection.stat().st_size} bytes, Galaxy takes {MAX_BYTES}")


if __name__ == "__main__":
    main()
