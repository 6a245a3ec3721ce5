"""Settings: every problem at once, no typo becomes a default."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from pydantic import Field, SecretStr

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


class Proxy(Settings):
    master_token: SecretStr = Field(default=SecretStr(""), alias="MasterToken")


class WithProxy(Settings):
    proxies: dict[str, Proxy] = Field(default_factory=dict, alias="Proxies")
    proxy: Proxy | None = Field(default=None, alias="Proxy")


@pytest.mark.parametrize("key", ["Proxy", "Proxies"])
def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path, key: str) -> None:
    inner = "{MasterToken: 31415926}"
    with pytest.raises(ConfigError) as caught:
        load_settings(WithProxy, write(tmp_path, f"{key}: {inner if key == 'Proxy' else '{hub: ' + inner + '}'}\n"))
    assert "MasterToken" in str(caught.value)
    assert "31415926" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["DataRootFolder: /a\nDataRootFolder: /b\n", "DataRootFolder: /a\nx: {y: 1, y: 2}\n", '"a": 1\na: 2\n'],
)
def test_a_key_that_stands_there_twice_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="twice"):
        load_settings(Sidecar, write(tmp_path, text))


def test_a_merged_key_may_be_replaced(tmp_path: Path) -> None:
    text = "Pprof: &base {a: 1, b: 2}\nDataRootFolder: /exa\nSbatchPath: sb\n"
    assert load_settings(Sidecar, write(tmp_path, text + "PollInterval: 7\n")).settings.poll_interval_s == 7
    merged = "Pprof: {<<: {a: 1}, a: 2}\nDataRootFolder: /exa\n"
    assert load_settings(Sidecar, write(tmp_path, merged)).settings.root == Path("/exa")


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads every file, so it becomes somebody else")
def test_a_file_that_may_not_be_read_is_said_to_be(tmp_path: Path) -> None:
    path = write(tmp_path, "DataRootFolder: /exa\n")
    path.chmod(0)
    try:
        os.seteuid(65534)
        with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
            load_settings(Sidecar, path)
    finally:
        os.seteuid(0)


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
