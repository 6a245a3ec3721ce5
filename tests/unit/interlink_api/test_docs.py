"""The page for operators says what the settings are."""

import re
from pathlib import Path

import pytest
import yaml

from dte.interlink.api.settings import AccountSettings, ApiSettings
from dte.runtime.settings import Settings, settings_from

PAGE = (Path(__file__).parents[3] / "docs" / "interlink-api.md").read_text()
ROW = re.compile(r"^\| `([A-Z]\w+)` \| ([^|]+) \|", re.MULTILINE)


def documented(heading: str, end: str) -> dict[str, str]:
    """Key -> default of the first table of keys between two texts of the page."""
    part = PAGE[PAGE.index(heading) : PAGE.index(end)]
    return {key: default.strip("` ") for key, default in ROW.findall(part)}


@pytest.mark.parametrize(
    ("model", "heading", "end"),
    [
        pytest.param(ApiSettings, "## Configure", "An item of `Accounts`", id="file"),
        pytest.param(AccountSettings, "An item of `Accounts`", "## Operate", id="account"),
    ],
)
def test_every_key_is_documented_with_its_default(model: type[Settings], heading: str, end: str) -> None:
    found = documented(heading, end)
    fields = {field.alias: field for field in model.model_fields.values()}
    assert set(found) == set(fields)
    required = {key for key, default in found.items() if default == "required"}
    assert required == {key for key, field in fields.items() if field.is_required()}
    for key, default in found.items():
        if default.isdigit() or default in ("true", "false") or default.startswith(("/", "[")):
            expected = fields[key].default
            assert yaml.safe_load(default) == (str(expected) if isinstance(expected, Path) else expected), key


def test_the_example_is_a_good_configuration() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    loaded = settings_from(ApiSettings, yaml.safe_load(example), "example")
    assert [account.name for account in loaded.settings.account_list()] == ["twin01", "twin02"]
    assert loaded.warnings == ()
