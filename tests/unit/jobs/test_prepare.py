import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dte.interlink.jobs.archive import supervisor_archive
from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.prepare import write_job
from dte.interlink.jobs.spec import JobPlan
from dte.interlink.jobs.volume_kinds import PlannedFile

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
PLAN = JobPlan(
    spec={"schema": 1, "text": "ü\n"},
    script=b"#!/bin/sh\n",
    files=[
        PlannedFile("configMaps/v/k", b"\0\n'$(x)", 0o644),
        PlannedFile("configMaps/v/d/e/f", b"", 0o500),
        PlannedFile("secrets/s/k", b"s", 0o400),
    ],
    directories=["work", "configMaps/v", "emptyDirs/w"],
    warnings=[],
)


@pytest.fixture(params=[0o000, 0o077], ids=["open umask", "tight umask"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    return JobDirectory(tmp_path, "default", UID)


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode) for path in sorted(root.rglob("*"))}


@pytest.mark.usefixtures("umask")
def test_modes_do_not_depend_on_the_umask(directory: JobDirectory) -> None:
    write_job(PLAN, directory)
    found = modes(directory.path)
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert (found["spec.json"], found["supervisor.pyz"], found["job.slurm"]) == (0o600, 0o600, 0o700)
    assert (found["configMaps/v/k"], found["configMaps/v/d/e/f"], found["secrets/s/k"]) == (0o644, 0o500, 0o400)


def test_contents_are_written_byte_for_byte(directory: JobDirectory) -> None:
    write_job(PLAN, directory)
    assert (directory.path / "configMaps/v/k").read_bytes() == b"\0\n'$(x)"
    assert json.loads(directory.spec.read_bytes()) == PLAN.spec
    assert directory.supervisor.read_bytes() == supervisor_archive()


def test_writing_again_changes_nothing_and_keeps_what_others_wrote(directory: JobDirectory) -> None:
    write_job(PLAN, directory)
    directory.record.write_text("{}")
    before = modes(directory.root)
    write_job(PLAN, directory)
    assert modes(directory.root) == before


def test_nothing_is_left_beside_the_planned_files(directory: JobDirectory) -> None:
    write_job(PLAN, directory)
    assert {path.name for path in (directory.path / "configMaps/v").iterdir()} == {"d", "k"}
    assert {path.name for path in directory.root.iterdir()} == {".notices", directory.path.name}
