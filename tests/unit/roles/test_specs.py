"""Defaults, argument specs and READMEs of the roles say the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools.project import version
from tests.tools.role_readmes import renewed, spec

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
FOREIGN = ("dte_", "interlink_slurm_accounts")
"""Variables of other roles that a role names in its spec, because it needs them; their defaults are those roles'."""


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_is_in_the_spec_and_equal(role: Path) -> None:
    options = spec(role)
    wanted = {name: option["default"] for name, option in options.items() if "default" in option}
    assert load(role / "defaults" / "main.yml") == wanted


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_variable_without_default_is_required_or_another_roles(role: Path) -> None:
    loose = [name for name, option in spec(role).items() if "default" not in option and not option.get("required")]
    assert all(name.startswith(FOREIGN) for name in loose), loose


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_variable_begins_with_the_roles_name(role: Path) -> None:
    names = [name for name in spec(role) if not name.startswith(FOREIGN)]
    assert all(name.startswith(f"{role.name}_") for name in names)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_preflight_asks_for_the_same(role: Path) -> None:
    specs = load(role / "meta" / "argument_specs.yml")["argument_specs"]
    assert specs["preflight"]["options"] == specs["main"]["options"]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_readme_lists_the_variables_of_the_spec(role: Path) -> None:
    readme = (role / "README.md").read_text()
    assert renewed(readme, spec(role)) == readme, "run python -m tests.tools.role_readmes"


@pytest.mark.parametrize("platform", ["Debian-12", "Debian-13", "RedHat-9", "RedHat-10", "unknown"])
def test_every_platform_says_the_same_things(platform: str) -> None:
    known = load(ROOT / "roles" / "dte" / "vars" / f"{platform}.yml")
    assert set(known) == {"__dte_platform_tested", "__dte_python", "__dte_packages"}
    assert known["__dte_platform_tested"] == platform.startswith("Debian")


@pytest.mark.parametrize("inventory", ["lab", "vega"])
def test_an_example_inventory_asks_for_this_version(inventory: str) -> None:
    variables = load(ROOT / "inventories" / inventory / "group_vars" / "all.yml")
    assert variables["dte_version"] == version()
