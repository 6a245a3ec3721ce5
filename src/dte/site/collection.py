"""Where the collection lies: the checkout that we stand in, or an installed one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from dte.runtime.errors import Refused

NAME = ("intertwin", "dte")
INSTALLED = (Path("~/.ansible/collections"), Path("/usr/share/ansible/collections"))
"""Where Ansible itself looks when ANSIBLE_COLLECTIONS_PATH is not set."""
LINKS = Path(".cache/collections")
"""In a checkout: the directory that makes it look like an installed collection."""


@dataclass(frozen=True, slots=True)
class Collection:
    root: Path
    search_path: tuple[Path, ...]
    """For ANSIBLE_COLLECTIONS_PATH; the first entry holds this collection."""
    is_checkout: bool

    def playbook(self, name: str) -> Path:
        return self.root / "playbooks" / f"{name}.yml"

    def default_inventory(self) -> Path | None:
        """The lab of a checkout while it runs; None when the operator must name an inventory."""
        inventory = self.root / "inventories" / "lab"
        is_up = self.is_checkout and (self.root / ".lab" / "site.json").exists() and inventory.exists()
        return inventory if is_up else None


def find_collection(start: Path, environ: Mapping[str, str]) -> Collection:
    """The checkout around `start`, else the first installed collection. Raises Refused when there is none."""
    others = _search_path(environ)
    for directory in (start, *start.parents):
        if _is_checkout(directory):
            return Collection(directory, (link_checkout(directory), *others), is_checkout=True)
    for place in others:
        root = place / "ansible_collections" / NAME[0] / NAME[1]
        if (root / "playbooks" / "site.yml").exists():
            return Collection(root, others, is_checkout=False)
    raise Refused(
        "the collection intertwin.dte is not here: run this in a checkout of the project, or install the collection "
        f"(ansible-galaxy collection install); looked in {', '.join(map(str, others))}"
    )


def _search_path(environ: Mapping[str, str]) -> tuple[Path, ...]:
    given = [Path(item) for item in environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep) if item]
    return tuple(item.expanduser() for item in (*given, *INSTALLED))


def _is_checkout(directory: Path) -> bool:
    try:
        described = yaml.safe_load((directory / "galaxy.yml").read_text())
    except (OSError, yaml.YAMLError):
        return False
    return isinstance(described, dict) and (described.get("namespace"), described.get("name")) == NAME


def link_checkout(root: Path) -> Path:
    """Make LINKS/ansible_collections/intertwin/dte lead to the checkout; returns LINKS."""
    link = root / LINKS / "ansible_collections" / NAME[0] / NAME[1]
    if not (link.is_symlink() and link.readlink() == root):
        link.parent.mkdir(parents=True, exist_ok=True)
        temporary = link.with_name(f".{link.name}-{os.getpid()}")
        temporary.symlink_to(root)
        temporary.rename(link)
    return root / LINKS
