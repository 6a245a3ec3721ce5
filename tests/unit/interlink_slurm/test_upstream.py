"""Directories that upstream's plugin made: adopted, their state, logs and end are true."""

import json

import pytest

from dte.interlink.sidecars.slurm.life import State
from dte.interlink.sidecars.slurm.parse import Exit, QueueJob
from dte.interlink.sidecars.slurm.record import Maker
from dte.interlink.sidecars.slurm.settings import AdoptedSettings
from dte.interlink.sidecars.slurm.store import RecordStore
from dte.interlink.wire import Creator
from tests.unit.interlink_slurm.pods import OTHER_UID, UID, a_pod
from tests.unit.interlink_slurm.site import GRACE_S

JOB_ID = "4711"
BODY = """#!/bin/bash
runInitCtn() {
  ctn="$1"
}
runCtn() {
  ctn="$1"
}
runInitCtn 'prepare' singularity exec docker://img /bin/true
runCtn main singularity exec docker://img /bin/sh -c 'runCtn fake'
runCtn "side" singularity run docker://img
waitCtns
"""


def queue_job(state, job_id=JOB_ID, **changes):
    known = {
        "exit": Exit(0, 0),
        "reason": "None",
        "submitted_at": 1,
        "started_at": 2,
        "ended_at": None,
        "work_dir": "/home/twin01",
        "name": UID,
        "comment": "",
    }
    return QueueJob(job_id=job_id, state=state, **{**known, **changes})


@pytest.fixture
def directory(site):
    """A running job as upstream's plugin leaves it when it is stopped."""
    path = site.directory()
    path.mkdir()
    files = {
        "JobID.jid": JOB_ID,
        "PodUID.uid": UID,
        "PodNamespace.ns": "default",
        "StartedAt.time": "2026-01-01 10:00:00.123456789 +0100 CET m=+3.5",
        "job.sh": BODY,
        "init-prepare.out": "",
        "init-prepare.status": "0\n",
        "run-main.out": "hello\n",
        "run-side.out": "",
        "main_envfile.properties": "TOKEN=secret\n",
    }
    for name, text in files.items():
        (path / name).write_text(text)
    site.batch.jobs[JOB_ID] = queue_job("RUNNING")
    return path


def states(site):
    status = site.status()
    return {c["name"]: next(iter(c["state"])) for c in (*status.init_containers, *status.containers)}


async def test_a_running_job_is_adopted_with_its_id_containers_and_start(site, directory):
    await site.start_again()
    await site.round()

    assert site.job().record.state is State.SUBMITTED
    assert site.status().job_id == JOB_ID
    assert states(site) == {"prepare": "terminated", "main": "running", "side": "running"}
    assert site.state()[1]["startedAt"] == "2026-01-01T09:00:00Z"
    assert json.loads((directory / "record.json").read_text())["made_by"] == "upstream"


async def test_its_end_across_the_switch_is_its_own(site, directory):
    await site.start_again()
    await site.round()
    (directory / "run-main.status").write_text("4\n")
    await site.round()
    assert states(site) == {"prepare": "terminated", "main": "terminated", "side": "running"}

    (directory / "run-side.status").write_text("0\n")
    site.batch.move(JOB_ID, "FAILED", Exit(4, 0))
    await site.round()

    assert site.job().record.state is State.TERMINAL
    assert [c["state"]["terminated"]["exitCode"] for c in site.status().containers] == [4, 0]
    assert not (directory / "main_envfile.properties").exists()
    assert (directory / "run-main.out").exists()


async def test_an_end_before_the_switch_is_read_from_the_files_alone(site, directory):
    for name, code in (("main", 0), ("side", 7)):
        (directory / f"run-{name}.status").write_text(f"{code}\n")
    del site.batch.jobs[JOB_ID]
    await site.start_again()

    await site.round()

    assert site.job().record.state is State.TERMINAL
    assert [c["state"]["terminated"]["exitCode"] for c in site.status().containers] == [0, 7]


async def test_a_job_that_was_cancelled_meanwhile_never_shows_exit_code_0(site, directory):
    site.batch.move(JOB_ID, "CANCELLED")
    await site.start_again()
    await site.round()

    await site.round(GRACE_S)

    assert [c["state"]["terminated"]["exitCode"] for c in site.status().containers] == [143, 143]


@pytest.mark.parametrize("text", ["", "\n", "x", "-1", "256"])
async def test_a_status_file_without_a_number_is_no_end(site, directory, text):
    (directory / "run-main.status").write_text(text)
    await site.start_again()

    await site.round()

    assert states(site)["main"] == "running"


async def test_a_job_that_its_pod_named_is_known_by_its_id(site, directory):
    site.batch.jobs[JOB_ID] = queue_job("RUNNING", name="my-training")
    await site.start_again()

    await site.round(GRACE_S)
    await site.round(GRACE_S)

    assert states(site)["main"] == "running"


@pytest.mark.parametrize("changes", [{"name": OTHER_UID}, {"name": "x", "work_dir": f"default-{OTHER_UID}"}])
async def test_an_id_that_another_pods_job_has_now_proves_nothing(site, directory, changes):
    if "work_dir" in changes:
        changes = {**changes, "work_dir": str(site.root / changes["work_dir"])}
    site.batch.jobs[JOB_ID] = queue_job("RUNNING", **changes)
    await site.start_again()
    await site.round()

    await site.round(GRACE_S)

    assert site.state()[1]["reason"] == "JobLost"


async def test_a_directory_without_job_id_is_an_intent_that_the_queue_confirms(site, directory):
    (directory / "JobID.jid").unlink()
    await site.start_again()
    assert site.job().record.state is State.INTENT

    await site.round()

    assert site.status().job_id == JOB_ID


async def test_its_deletion_cancels_the_whole_job(site, directory):
    await site.start_again()
    await site.round()

    await site.stopper.delete(a_pod())
    await site.round()

    assert site.batch.called("cancel") == [("cancel", JOB_ID)]
    assert site.job().record.state is State.DELETED
    assert [path.name for path in directory.iterdir()] == ["record.json"]


async def test_a_second_start_reads_the_record(site, directory):
    await site.start_again()
    (directory / "job.sh").unlink()

    await site.start_again()

    assert site.job().record.made_by is Maker.UPSTREAM
    assert [c.name for c in site.job().record.containers] == ["main", "side"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("PodUID.uid", OTHER_UID), ("PodUID.uid", ""), ("JobID.jid", "rm -rf"), ("job.sh", "echo no containers")],
)
async def test_what_is_not_understood_is_left_alone(site, directory, name, text):
    (directory / name).write_text(text)
    for path in directory.glob("run-*"):
        path.unlink()
    await site.start_again()

    assert site.job() is None
    assert not (directory / "record.json").exists()


async def test_adopted_pods_belong_to_whom_the_settings_say(site, directory):
    owner = AdoptedSettings(Issuer="CN=ca", Subject="CN=vk", Owner="ks/node")
    (found,) = await RecordStore(site.root, site.pool, adopted=owner).load()

    assert (found.record.owner_id, found.record.creator) == ("ks/node", Creator("CN=ca", "CN=vk"))
