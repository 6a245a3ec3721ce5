"""`dte site` on inventories that lead nowhere."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dte.site import cli, health
from dte.site.collection import Collection


@pytest.mark.parametrize("verb", ["up", "down", "status"])
def test_an_inventory_without_a_host_of_ours_is_no_success(verb, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "_place", lambda inventory: (Collection(tmp_path, (), is_checkout=False), Path("mine")))
    monkeypatch.setattr(cli, "run", lambda play, on_event: True)
    result = CliRunner().invoke(cli.app, [verb])
    assert result.exit_code == 1
    assert health.NO_HOST in result.output
