"""The command: what it looks at, what it ends with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dte.doctor.components import MODULES, load

NOWHERE = ["--releases", "/nonexistent"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As a program: it sets up logging for its whole process."""
    command = [sys.executable, "-c", "from dte.cli import main; main()", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_host_without_daemons_ends_with_unknown_and_says_what_to_do(tmp_path: Path) -> None:
    done = run("--etc", str(tmp_path), *NOWHERE)
    assert done.returncode == 3
    assert "run the playbook" in done.stdout


def test_a_configuration_that_no_daemon_starts_on_is_critical(tmp_path: Path) -> None:
    (tmp_path / "interlink-api.yaml").write_text("InterlinkAdress: https://0.0.0.0\n")
    done = run("--etc", str(tmp_path), *NOWHERE)
    assert done.returncode == 2
    assert "InterlinkAdress: unknown key" in done.stdout


def test_json_has_every_result(tmp_path: Path) -> None:
    (tmp_path / "interlink-api.yaml").write_text("InterlinkAdress: https://0.0.0.0\n")
    body = json.loads(run("--json", "--etc", str(tmp_path), *NOWHERE).stdout)
    assert body["status"] == "critical"
    assert {result["check"] for result in body["results"]} == {"configuration"}


def test_a_component_that_there_is_not_is_a_wrong_use() -> None:
    done = run("interlink-htcondor")
    assert done.returncode == 2
    assert "interlink-slurm" in done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_every_table_is_its_components_and_names_each_check_once(name: str) -> None:
    component = load(name)
    assert component.name == name
    assert {check.component for check in component.checks} == {name}
    names = [check.name for check in component.checks]
    assert len(set(names)) == len(names)
