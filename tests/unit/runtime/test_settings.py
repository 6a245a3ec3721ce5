"""Settings: every problem at once, no typo becomes a default."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from pydantic import Field

from dte.runtime.errors import ConfigError
from dte.runtime.settings import Settings, load_settings


class Sidecar(Settings):
    accepted_keys = frozenset({"Pprof", "SbatchPath"})
    poll_interval_s: float = Field(default=5.0, ge=1, alias="PollInterval")
    root: Path = Field(alias="DataRootFolder")
    sbatch: str = Field(default="sbatch", alias="SbatchPath")


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "twin01.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_all_problems_are_reported_at_once_with_file_and_key(tmp_path: Path) -> None:
    path = write(tmp_path, "PollInterval: 0.1\nPolInterval: 3\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(Sidecar, path)
    assert list(caught.value.problems) == [
        f"{path}: DataRootFolder: is required",
        f"{path}: PolInterval: unknown key",
        f"{path}: PollInterval: Input should be greater than or equal to 1 (got 0.1)",
    ]


def test_the_value_of_an_unknown_key_is_not_shown_it_may_be_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(Sidecar, write(tmp_path, "DataRootFolder: /exa\nMasterTokn: s3cret\n"))
    assert "s3cret" not in str(caught.value)


def test_a_key_of_another_program_is_accepted_and_named(tmp_path: Path) -> None:
    loaded = load_settings(Sidecar, write(tmp_path, "DataRootFolder: /exa\nPprof: {Enabled: true}\nSbatchPath: sb\n"))
    assert loaded.settings.sbatch == "sb"
    assert [warning.split(": ")[1] for warning in loaded.warnings] == ["Pprof"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("- a\n", id="a list"),
        pytest.param("a: [", id="broken YAML"),
        pytest.param("1: 2\n", id="a number for a key"),
        pytest.param(b"\xff\xfe\x00", id="not text"),
        pytest.param("day: 2026-99-99\n", id="an impossible date"),
        pytest.param("a" * ((1 << 20) + 1), id="too large"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str | bytes) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings(Sidecar, path)
    assert caught.value.problems[0].startswith(f"{path}: file: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_settings(Sidecar, tmp_path / "none.yaml")


@given(strategies.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_settings_or_problems(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path, data)
    try:
        load_settings(Sidecar, path)
    except ConfigError as error:
        assert error.problems
