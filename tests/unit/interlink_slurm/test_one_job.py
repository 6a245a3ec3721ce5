"""The promise, whatever happens in whatever order: a pod that was created has exactly one job."""

import asyncio
import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dte.interlink.sidecars.slurm.life import State
from dte.runtime.errors import Conflict, Unavailable
from tests.unit.interlink_slurm.conftest import MEMORY
from tests.unit.interlink_slurm.fake_slurm import FakeSlurm, Fault
from tests.unit.interlink_slurm.pods import UID, a_pod
from tests.unit.interlink_slurm.site import Clock, Site

EVENTS = st.lists(
    st.sampled_from(
        [
            "create",
            "create, the controller is down",
            "create, the answer is lost",
            "the sidecar is killed",
            "the queue does not answer",
            "time passes",
            "the job starts",
            "the job's file tells of its end",
        ]
    ),
    max_size=9,
)


async def happen(site, event):
    match event:
        case "create, the controller is down":
            site.batch.faults["submit"] = [Fault.BEFORE]
        case "create, the answer is lost":
            site.batch.faults["submit"] = [Fault.AFTER]
        case "the queue does not answer":
            site.batch.faults["queue"] = [Fault.BEFORE]
        case "the sidecar is killed":
            await site.start_again()
        case "time passes":
            await site.round()
        case "the job starts" if site.batch.jobs:
            site.batch.move("1", "RUNNING")
        case "the job's file tells of its end" if site.batch.jobs:
            site.batch.move("1", "RUNNING")
            site.write_status(main=3, over=True)
            await site.keeper.tick()
    if event.startswith("create"):
        with contextlib.suppress(Unavailable):
            await site.create()


def on_a_site(tmp_path, scenario):
    async def run():
        site = Site(tmp_path, FakeSlurm(), Clock())
        try:
            await scenario(site)
        finally:
            site.pool.close()

    asyncio.run(run())


@contextlib.contextmanager
def a_job_root():
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as path:
        yield Path(path)


@given(EVENTS)
@settings(max_examples=40)
def test_a_pod_has_exactly_one_job_once_a_create_is_answered(events):
    async def scenario(site):
        for event in events:
            await happen(site, event)
        site.batch.faults.clear()

        answer = await site.create()

        assert [job.job_id for job in site.batch.jobs_of(UID)] == [answer.job_id]
        assert site.status().job_id == answer.job_id

    with a_job_root() as path:
        on_a_site(path, scenario)


@given(EVENTS, EVENTS)
@settings(max_examples=40)
def test_a_deleted_pod_ends_with_no_job_that_waits_or_runs_and_never_comes_back(before, after):
    async def scenario(site):
        for event in before:
            await happen(site, event)
        await site.stopper.delete(a_pod())
        was_known = site.job() is not None
        for event in after:
            with contextlib.suppress(Conflict):
                await happen(site, event)
        if not was_known:
            return  # a delete before the first create is of a pod that is not ours
        site.batch.faults.clear()
        for _ in range(4):
            await site.round(60)

        assert site.job().record.state is State.DELETED
        assert [job for job in site.batch.jobs_of(UID) if job.state == "PENDING"] == []
        with pytest.raises(Conflict):
            await site.create()

    with a_job_root() as path:
        on_a_site(path, scenario)
