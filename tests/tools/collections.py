"""The collections that tests and the lab need, in .cache/collections: community.docker, and this checkout by a link.

Galaxy is not asked: they are taken out of the `ansible` wheel of the Python index, once for each version of it.
"""

import os
import subprocess
import tempfile
import zipfile
from pathlib import Path

from tests.tools.project import BIN, ROOT, cache

SOURCE = "ansible==12.3.0"
NAMES = ("community.docker", "community.library_inventory_filtering_v1")
HOME = ROOT / ".cache" / "collections"
"""What ANSIBLE_COLLECTIONS_PATH names in a checkout; `dte site` looks here too."""


def main() -> None:
    print(ensure())


def ensure() -> Path:
    """Make HOME complete and return it."""
    namespaces = HOME / "ansible_collections"
    store = _unpacked() / "ansible_collections"
    for name in NAMES:
        _link(namespaces / name.replace(".", "/"), store / name.replace(".", "/"))
    _link(namespaces / "intertwin" / "dte", ROOT)
    return HOME


def _link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() and path.readlink() == target:
        return
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    temporary.symlink_to(target)
    temporary.rename(path)


def _unpacked() -> Path:
    store = cache("collections") / SOURCE.replace("==", "-")
    if store.exists():
        return store
    wanted = tuple(f"ansible_collections/{name.replace('.', '/')}/" for name in NAMES)
    with tempfile.TemporaryDirectory(dir=store.parent) as scratch:
        command = [BIN / "pip", "download", "--quiet", "--no-deps", "--dest", scratch, SOURCE]
        subprocess.run(command, check=True)
        (wheel,) = Path(scratch).glob("ansible-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(Path(scratch) / "new", [name for name in archive.namelist() if name.startswith(wanted)])
        (Path(scratch) / "new").rename(store)
    return store


if __name__ == "__main__":
    main()
