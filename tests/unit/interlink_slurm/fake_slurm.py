"""A BatchSystem in memory that obeys the interface's promises, and fails when a test wants it to."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum

from dte.interlink.sidecars.slurm.batch import Submission
from dte.interlink.sidecars.slurm.parse import Exit, Listing, NodeLine, QueueJob
from dte.interlink.sidecars.slurm.states import is_final
from dte.runtime.errors import DteError, Unavailable

NO_ERROR = Exit(0, 0)


class Fault(Enum):
    """How a call goes wrong."""

    BEFORE = "the controller was down: nothing happened"
    AFTER = "the answer was lost: it happened"


class FakeSlurm:
    """Jobs by id. `faults[method]` holds what the next calls of that method run into; None is no fault."""

    def __init__(self, *, has_accounting: bool = True) -> None:
        self.jobs: dict[str, QueueJob] = {}
        self.purged: dict[str, QueueJob] = {}
        self.calls: list[tuple[str, ...]] = []
        self.submissions: list[Submission] = []
        self.faults: dict[str, list[Fault | DteError | None]] = {}
        self.has_accounting = has_accounting
        self.may_stop = asyncio.Event()
        self.may_stop.set()
        self.on_queue: Callable[[], None] = lambda: None
        self.node_lines: tuple[NodeLine, ...] = (NodeLine("n1", 16, 16000, "idle", True, (), "main"),)

    def called(self, method: str) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] == method]

    def jobs_of(self, uid: str) -> list[QueueJob]:
        return [job for job in {**self.purged, **self.jobs}.values() if job.name == uid]

    def move(self, job_id: str, state: str, exit_: Exit = NO_ERROR, **changes: object) -> None:
        """Move a job on."""
        self.jobs[job_id] = replace(self.jobs[job_id], state=state, exit=exit_, **changes)

    def purge(self, job_id: str) -> None:
        """The controller forgets a finished job; accounting does not."""
        self.purged[job_id] = self.jobs.pop(job_id)

    async def submit(self, submission: Submission) -> str:
        fault = self._begin("submit", submission.name)
        self.submissions.append(submission)
        job_id = str(len(self.jobs) + len(self.purged) + 1)
        self.jobs[job_id] = QueueJob(
            job_id=job_id,
            state="PENDING",
            exit=Exit(0, 0),
            reason="Priority",
            submitted_at=1,
            started_at=None,
            ended_at=None,
            work_dir=str(submission.directory),
            name=submission.name,
            comment=submission.comment,
        )
        _lose_answer(fault)
        return job_id

    async def queue(self) -> Listing:
        self._begin("queue")
        self.on_queue()
        return Listing(tuple(self.jobs.values()), ())

    async def accounted(self, job_ids: Sequence[str]) -> Listing | None:
        self._begin("accounted", *job_ids)
        known = {**self.purged, **self.jobs}
        jobs = tuple(replace(known[i], comment="") for i in job_ids if i in known)
        return Listing(jobs, ()) if self.has_accounting else None

    async def accounted_by_name(self, name: str) -> Listing | None:
        self._begin("accounted_by_name", name)
        return Listing(tuple(self.jobs_of(name)), ()) if self.has_accounting else None

    async def stop(self, job_id: str, name: str) -> None:
        fault = self._begin("stop", job_id)
        await self.may_stop.wait()
        self._cancel_if(job_id, name, {"PENDING"})
        _lose_answer(fault)

    async def signal(self, job_id: str, name: str) -> None:
        self._begin("signal", job_id)

    async def drop(self, job_id: str, name: str) -> None:
        self._begin("drop", job_id)
        self._cancel_if(job_id, name, {"PENDING"})

    async def cancel(self, job_id: str, name: str) -> None:
        self._begin("cancel", job_id)
        self._cancel_if(job_id, name, {"PENDING", "RUNNING"})

    async def nodes(self, partitions: Sequence[str]) -> tuple[NodeLine, ...]:
        self._begin("nodes", *partitions)
        return self.node_lines

    def _begin(self, method: str, *arguments: str) -> Fault | None:
        self.calls.append((method, *arguments))
        fault = (self.faults.get(method) or [None]).pop(0)
        if isinstance(fault, DteError):
            raise fault
        if fault is Fault.BEFORE:
            raise Unavailable(f"{method}: Unable to contact slurm controller (connect failure)")
        return fault

    def _cancel_if(self, job_id: str, name: str, states: set[str]) -> None:
        job = self.jobs.get(job_id)
        if job is not None and job.name == name and job.state in states and not is_final(job.state):
            self.move(job_id, "CANCELLED")


def _lose_answer(fault: Fault | None) -> None:
    if fault is Fault.AFTER:
        raise Unavailable("sbatch did not end within 30 s")
