"""The command `dte` itself."""

import pytest

import dte
from dte import cli


def test_the_version_is_the_collections(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"{dte.__version__}\n"


def test_help_lists_every_component(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in cli.COMPONENTS)


def test_an_unknown_component_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["interlink-slrum", "serve"]) == 2
    assert "interlink-slurm" in capsys.readouterr().err


def test_a_missing_extra_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    component = cli.Component("no_such_library", "slurm", "")
    monkeypatch.setitem(cli.COMPONENTS, "demo", component)
    assert cli.run(["demo"]) == 2
    assert "install intertwin-dte[slurm]" in capsys.readouterr().err
