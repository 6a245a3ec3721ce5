import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dte.interlink.sidecars.slurm.record import encode_record
from tests.unit.interlink_slurm.pods import RECORD, UID

EXIT_CONFIG = 78


def config(tmp_path: Path, **keys: object) -> str:
    path = tmp_path / "twin01.yaml"
    path.write_text(yaml.safe_dump({"Socket": "unix:///run/s.sock", "DataRootFolder": str(tmp_path / "jobs"), **keys}))
    return str(path)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As a program: it sets up logging for its whole process."""
    command = [sys.executable, "-c", "from dte.cli import main; main()", "interlink-slurm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_good_file_is_ok_and_unlimited_options_are_warned_about(tmp_path):
    result = run("check", "--config", config(tmp_path))

    assert result.returncode == 0
    assert "ok" in result.stdout
    assert "FlagsAllowed is not set" in result.stdout


def test_a_list_of_options_needs_no_warning(tmp_path):
    assert "warning" not in run("check", "--config", config(tmp_path, FlagsAllowed=["time"])).stdout


@pytest.mark.parametrize("verb", ["check", "serve", "jobs"])
def test_a_bad_file_is_refused_with_every_problem(tmp_path, verb):
    path = config(tmp_path, PollInterval="fast", NoSuchKey=1)

    result = run(verb, "--config", path)

    assert result.returncode == EXIT_CONFIG
    assert f"{path}: PollInterval: " in result.stderr
    assert f"{path}: NoSuchKey: unknown key" in result.stderr


def test_jobs_prints_the_records_without_a_daemon(tmp_path):
    directory = tmp_path / "jobs" / f"default-{UID}"
    directory.mkdir(parents=True)
    (directory / "record.json").write_bytes(encode_record(RECORD))

    result = run("jobs", "--config", config(tmp_path))

    row = result.stdout.splitlines()[1].split()
    assert row[:4] == ["default/hello", "intent", "-", "-"]
    assert row[-1] == str(directory)


def test_jobs_as_json_are_for_programs(tmp_path):
    directory = tmp_path / "jobs" / f"default-{UID}"
    directory.mkdir(parents=True)
    (directory / "record.json").write_bytes(encode_record(RECORD))

    [job] = json.loads(run("jobs", "--json", "--config", config(tmp_path)).stdout)

    assert (job["uid"], job["state"], job["job_id"]) == (UID, "intent", None)
    assert job["created_at"] == "2026-01-01T00:00:00Z"


def test_a_watched_table_ends_at_ctrl_c_without_a_fault(tmp_path):
    (tmp_path / "jobs").mkdir()
    command = [sys.executable, "-c", "from dte.cli import main; main()", "interlink-slurm", "jobs", "--watch"]
    process = subprocess.Popen(
        [*command, "--config", config(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell starts what runs in its background with SIGINT ignored, and a test runner hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"POD")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 0
    assert errors == b""


def test_jobs_of_a_root_that_is_not_there_says_so(tmp_path):
    result = run("jobs", "--config", config(tmp_path))

    assert result.returncode == 1
    assert "No such file or directory" in result.stderr
