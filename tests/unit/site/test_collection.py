"""Where `dte site` finds the collection."""

from pathlib import Path

import pytest

from dte.runtime.errors import Refused
from dte.site.collection import find_collection


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "inventories" / "lab").mkdir(parents=True)
    (root / "galaxy.yml").write_text("namespace: intertwin\nname: dte\n")
    return root


def test_a_checkout_is_found_from_a_folder_inside(checkout: Path) -> None:
    found = find_collection(checkout / "inventories" / "lab", {})
    assert found.playbook("site") == checkout / "playbooks" / "site.yml"


def test_a_checkout_looks_like_an_installed_collection(checkout: Path) -> None:
    for _ in range(2):
        found = find_collection(checkout, {"ANSIBLE_COLLECTIONS_PATH": "/other"})
    seen = found.search_path[0] / "ansible_collections" / "intertwin" / "dte" / "galaxy.yml"
    assert seen.exists()
    assert found.search_path[1] == Path("/other")


def test_the_lab_is_the_inventory_only_while_it_runs(checkout: Path) -> None:
    assert find_collection(checkout, {}).default_inventory() is None
    (checkout / ".lab").mkdir()
    (checkout / ".lab" / "site.json").write_text("{}")
    assert find_collection(checkout, {}).default_inventory() == checkout / "inventories" / "lab"


def test_an_installed_collection_is_found(tmp_path: Path) -> None:
    root = tmp_path / "ansible_collections" / "intertwin" / "dte"
    (root / "playbooks").mkdir(parents=True)
    (root / "playbooks" / "site.yml").write_text("[]")
    found = find_collection(tmp_path, {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path)})
    assert (found.root, found.is_checkout) == (root, False)


def test_no_collection_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="ansible-galaxy collection install"):
        find_collection(tmp_path, {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path)})
