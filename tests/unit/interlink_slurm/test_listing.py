"""The table of jobs: what stands in it, and what of it fits a screen."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.status import ContainerState, Ended, JobStatus, Kind, Phase
from dte.interlink.sidecars.slurm.job_files import JobFiles
from dte.interlink.sidecars.slurm.life import State
from dte.interlink.sidecars.slurm.listing import ListedJob, age, as_json, listed, screen, table
from dte.interlink.sidecars.slurm.record import Record, encode_record
from dte.interlink.sidecars.slurm.store import Found
from tests.unit.interlink_slurm.pods import RECORD

PLACE = Path("/exa/default-u")
NOW = RECORD.created_at + 3600
SUBMITTED = RECORD.submitted("42")
OVER = SUBMITTED.ended(NOW - 60, final=[{"state": {"terminated": {"exitCode": 3}}}], init_final=[{"state": {}}])
FILES = JobStatus(
    "42",
    "n1",
    {
        "prepare": ContainerState(Kind.INIT, Phase.TERMINATED, ended=Ended(0)),
        "main": ContainerState(Kind.MAIN, Phase.RUNNING, started_at=datetime(2026, 1, 1, tzinfo=UTC)),
    },
    None,
    None,
)


def job(record: Record, files: JobStatus | None = None, claimed_at: float | None = None) -> ListedJob:
    found = Found(record, files, has_leftovers=False)
    return listed(found, PLACE, claimed_at=claimed_at, status_at=NOW - 12)


@pytest.mark.parametrize(
    ("shown", "row"),
    [
        pytest.param(job(RECORD), "intent  -  -  1h  -  none", id="not submitted"),
        pytest.param(job(SUBMITTED), "submitted  42  -  1h  -  sbatch", id="waits"),
        pytest.param(job(SUBMITTED, None, NOW - 30), "submitted  42  -  1h  -  claim 30s ago", id="just begun"),
        pytest.param(job(SUBMITTED, FILES), "running  42  0  1h  -  status file 12s ago", id="runs"),
        pytest.param(job(OVER), "terminal  42  3  1h  2026-01-01T00:59:00Z  final 1m ago", id="over"),
        pytest.param(job(OVER.deleted(NOW)), "deleted  42  3  1h  2026-01-01T00:59:00Z  final 1m ago", id="tombstone"),
    ],
)
def test_a_row_tells_state_job_exit_code_end_and_the_last_evidence(shown: ListedJob, row: str) -> None:
    cells = [cell for cell in table([shown], NOW)[1].split("  ") if cell]
    assert [cell.strip() for cell in cells] == ["default/hello", *row.split("  "), str(PLACE)]


def test_what_is_not_over_stands_first_and_the_newest_last() -> None:
    newer = replace(RECORD, pod_name="newer", created_at=NOW)
    rows = table([job(OVER), job(newer), job(RECORD)], NOW)
    assert [row.split()[0] for row in rows[1:]] == ["default/hello", "default/newer", "default/hello"]
    assert "terminal" in rows[3]


def test_a_screen_says_how_much_did_not_fit() -> None:
    shown = screen([job(RECORD)] * 30, NOW, columns=40, lines=10)
    assert len(shown) == 10
    assert all(len(row) <= 40 for row in shown)
    assert shown[0].startswith("2026-01-01T01:00:00Z  30 not over")
    assert "24 more" in shown[-1]


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (86400 * 3 + 4 * 3600, "3d4h")]
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_json_has_what_the_table_cuts() -> None:
    told = as_json(job(OVER))
    assert (told["uid"], told["exit_codes"], told["ended_at"]) == (RECORD.pod_uid, (3,), "2026-01-01T00:59:00Z")


def write(root: Path, record: Record) -> None:
    directory = JobDirectory(root, record.namespace, record.pod_uid)
    directory.path.mkdir(exist_ok=True)
    directory.record.write_bytes(encode_record(record))


def test_files_are_read_again_only_when_they_changed(tmp_path: Path) -> None:
    files = JobFiles(tmp_path)
    write(tmp_path, SUBMITTED)
    assert [item.state for item in files.read()] == [State.SUBMITTED.value]
    write(tmp_path, OVER)
    [first] = files.read()
    [second] = files.read()
    assert first is second
    write(tmp_path, OVER.deleted(NOW))
    assert [item.state for item in files.read()] == [State.DELETED.value]


def test_a_directory_that_is_no_job_of_ours_is_left_out(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path, "default", RECORD.pod_uid)
    directory.path.mkdir()
    assert JobFiles(tmp_path).read() == []
    directory.record.write_bytes(b"{}")
    assert JobFiles(tmp_path).read() == []
