"""The page for operators says what the settings are."""

import re
from pathlib import Path

import pytest

from dte.alise.load import load_alise
from dte.alise.settings import ProviderSettings, ServerSettings
from dte.runtime.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "alise.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \|", re.MULTILINE)
SPOKEN = {"none": ("", None, (), 0), "NAME": ("",), "announced": ("",), "system's": (None,), "false": (False,)}


@pytest.mark.parametrize(
    ("model", "heading", "end"),
    [
        pytest.param(ServerSettings, "### [server]", "### [auth.NAME]", id="server"),
        pytest.param(ProviderSettings, "### [auth.NAME]", "## Operate", id="provider"),
    ],
)
def test_every_key_is_documented_with_its_default(model: type[Settings], heading: str, end: str) -> None:
    part = PAGE[PAGE.index(heading) : PAGE.index(end)]
    found = {key: default.strip("` ") for key, default in ROW.findall(part)}
    assert set(found) == set(model.model_fields)
    for key, field in model.model_fields.items():
        if field.is_required():
            assert found[key] == "required", key
            continue
        default = field.default
        written = (
            " ".join(default)
            if isinstance(default, tuple)
            else f"{default:g}"
            if isinstance(default, float)
            else str(default)
        )
        assert found[key] == written or default in SPOKEN.get(found[key], ()), key


def test_the_example_is_a_good_configuration(tmp_path: Path) -> None:
    (example,) = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "alise.conf").write_text(example)
    loaded = load_alise(tmp_path / "alise.conf")
    assert list(loaded.settings.auth) == ["fac", "egi"]
    assert loaded.warnings == ()
