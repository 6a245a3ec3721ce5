"""One set of tests for what BatchSystem promises, on the fake of the unit tests and on the real Slurm."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dte.interlink.sidecars.slurm.batch import BatchSystem, Submission
from dte.interlink.sidecars.slurm.commands import SlurmCommands
from dte.interlink.sidecars.slurm.matching import QueueIndex
from dte.interlink.sidecars.slurm.parse import QueueJob
from dte.interlink.sidecars.slurm.states import Phase, phase_of
from dte.runtime.errors import Refused
from tests.lab.fixtures import SlurmLab
from tests.unit.interlink_slurm.fake_slurm import FakeSlurm
from tests.unit.interlink_slurm.pods import RECORD, some_settings


@dataclass
class Case:
    batch: BatchSystem
    directory: Path
    is_real: bool

    def submission(self, *options: str) -> Submission:
        name = str(uuid.uuid4())
        script = self.directory / "job.sh"
        return Submission(name, f"dte1:default/{name}/x/", self.directory, script, self.directory / "out", options)

    async def job(self, submission: Submission) -> QueueJob | None:
        jobs = (await self.batch.queue()).jobs
        return next((job for job in jobs if job.name == submission.name), None)

    async def wait_for(self, submission: Submission, phase: Phase) -> QueueJob:
        for _ in range(300):
            job = await self.job(submission)
            if job is not None and phase_of(job.state) is phase:
                return job
            await asyncio.sleep(0.1)
        raise AssertionError(f"never {phase}: {job}")


def real_batch(slurm: SlurmLab) -> SlurmCommands:
    """The commands in the cluster's container, called from here."""
    prefix = f"docker exec --env SLURM_TIME_FORMAT=%s --user twin01 {slurm.container}"
    programs = ("sbatch", "scancel", "squeue", "sacct", "sinfo")
    return SlurmCommands(some_settings(**{f"{name.capitalize()}Path": f"{prefix} {name}" for name in programs}))


@pytest.fixture(params=["fake", "real"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    if request.param == "fake":
        yield Case(FakeSlurm(), Path("/j"), is_real=False)
        return
    slurm: SlurmLab = request.getfixturevalue("lab_slurm")
    directory = Path(f"/exa/twin01/contract-{os.getpid()}")
    slurm.run("mkdir", "-p", str(directory))
    slurm.write(f"{directory}/job.sh", b"#!/bin/sh\nexec sleep 300\n", mode="0755")
    yield Case(real_batch(slurm), directory, is_real=True)
    slurm.cancel_all_jobs()
    slurm.run("rm", "-rf", str(directory))


async def test_a_submitted_job_is_listed_with_name_comment_and_directory(case: Case) -> None:
    submission = case.submission("--hold")

    job_id = await case.batch.submit(submission)
    job = await case.job(submission)

    assert job is not None
    assert (job.job_id, job.comment, job.work_dir) == (job_id, submission.comment, str(case.directory))
    assert phase_of(job.state) is Phase.WAITING


async def test_a_waiting_job_is_dropped_by_stop_and_stays_listed(case: Case) -> None:
    submission = case.submission("--hold")
    job_id = await case.batch.submit(submission)

    await case.batch.stop(job_id, submission.name)

    assert (await case.wait_for(submission, Phase.FAILED)).state == "CANCELLED"


async def test_drop_leaves_a_running_job_alone_and_cancel_ends_it(case: Case) -> None:
    submission = case.submission()
    job_id = await case.batch.submit(submission)
    if not case.is_real:
        assert isinstance(case.batch, FakeSlurm)
        case.batch.move(job_id, "RUNNING")
    await case.wait_for(submission, Phase.RUNNING)

    await case.batch.drop(job_id, submission.name)
    job = await case.job(submission)
    assert job is not None
    assert phase_of(job.state) is Phase.RUNNING

    await case.batch.cancel(job_id, submission.name)
    assert (await case.wait_for(submission, Phase.FAILED)).state == "CANCELLED"


async def test_a_job_of_another_name_is_left_alone(case: Case) -> None:
    submission = case.submission("--hold")
    job_id = await case.batch.submit(submission)
    other = str(uuid.uuid4())

    for end in (case.batch.stop, case.batch.drop, case.batch.cancel, case.batch.signal):
        await end(job_id, other)

    job = await case.job(submission)
    assert job is not None
    assert phase_of(job.state) is Phase.WAITING


async def test_ending_what_is_over_or_unknown_is_done(case: Case) -> None:
    submission = case.submission("--hold")
    job_id = await case.batch.submit(submission)
    await case.batch.cancel(job_id, submission.name)
    await case.wait_for(submission, Phase.FAILED)

    for known in (job_id, "67000000"):
        await case.batch.stop(known, submission.name)
        await case.batch.signal(known, submission.name)
        await case.batch.drop(known, submission.name)
        await case.batch.cancel(known, submission.name)


async def test_accounting_says_none_or_what_it_knows_of_exactly_these_ids(case: Case) -> None:
    listing = await case.batch.accounted(["67000000"])

    assert listing is None or listing.jobs == ()


async def test_the_nodes_of_the_cluster_are_listed(case: Case) -> None:
    nodes = await case.batch.nodes(())

    assert nodes
    assert all(node.cpus > 0 and node.memory_mib > 0 for node in nodes)


async def test_one_look_finds_the_jobs_of_many_pods(case: Case) -> None:
    submissions = [case.submission("--hold") for _ in range(5)]
    ids = [await case.batch.submit(submission) for submission in submissions]

    listed = {job.name: job.job_id for job in (await case.batch.queue()).jobs}

    assert [listed[submission.name] for submission in submissions] == ids


async def test_a_refused_job_is_refused_with_words_and_leaves_nothing_that_waits(case: Case) -> None:
    submission = case.submission("--partition=nosuch")
    if not case.is_real:
        assert isinstance(case.batch, FakeSlurm)
        case.batch.faults["submit"] = [Refused("sbatch refused (exit 1): Invalid partition name specified")]

    with pytest.raises(Refused, match="Invalid partition name"):
        await case.batch.submit(submission)

    job = await case.job(submission)
    assert job is None or phase_of(job.state) is Phase.FAILED


async def test_the_index_finds_a_job_by_its_directory_alone(case: Case) -> None:
    submission = case.submission("--hold")
    job_id = await case.batch.submit(submission)

    index = QueueIndex((await case.batch.queue()).jobs)

    assert job_id in [job.job_id for job in index.of_pod(RECORD, case.directory)]
