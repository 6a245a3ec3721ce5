"""A batch system in memory that is as mean as a real one, and the jobs that run on it.

It executes requests after their caller gave up, loses its state and counts ids from 1 again, forgets jobs, lets its
accounting lag. Jobs take the claim with the supervisor's own code and write their status as it does. Each run of a
program has an exit code of its own, so that a state shown for the wrong pod is seen.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dte.interlink.jobs.supervisor.files import claim
from dte.interlink.jobs.supervisor.main import HELD_BY_ANOTHER_JOB, code_of_finished_run
from dte.interlink.sidecars.slurm.batch import PolicyLimit, Submission
from dte.interlink.sidecars.slurm.parse import Exit, Listing, NodeLine, QueueJob
from dte.interlink.sidecars.slurm.states import is_final
from dte.runtime.errors import Refused, Unavailable

MOMENT = "2026-01-01T00:00:00Z"
STOPPED_CODE = 143
NO_ERROR = Exit(0, 0)


@dataclass(eq=False)
class Run:
    """One job, whatever its id, and what truly became of it."""

    job: QueueJob
    directory: Path
    has_claim: bool = False
    """Its program was started."""
    code: int | None = None
    """The program ended by itself with it."""
    was_told_to_stop: bool = False
    was_killed: bool = False
    """Slurm ended it, or lost it."""
    was_ended_by_us: bool = False
    was_hidden: bool = False
    """Its last status did not reach the sidecar's side of the file system at once."""

    @property
    def uid(self) -> str:
        return self.job.name

    @property
    def is_over(self) -> bool:
        return is_final(self.job.state)


class Cluster:
    """A BatchSystem. `fates` says what the next submits run into, `is_down` what everything runs into."""

    def __init__(self, root: Path, *, has_accounting: bool) -> None:
        self.root = root
        self.has_accounting = has_accounting
        self.is_down = False
        self.accounting_lags = False
        self.files_lag = False
        self.runs: list[Run] = []
        self.queued: dict[str, Run] = {}
        """By id: what squeue lists."""
        self.accounts: dict[str, QueueJob] = {}
        self.late: list[Submission] = []
        """Requests that the controller will execute, though nobody waits for an answer any more."""
        self.fate = "ok"
        self.submits: Counter[str] = Counter()
        """Calls of `submit` by pod."""
        self._next_id = 1
        self._hidden: dict[Path, bytes] = {}

    # BatchSystem

    async def submit(self, submission: Submission) -> str:
        return self.settle_submit(submission, self.fate)

    def settle_submit(self, submission: Submission, fate: str) -> str:
        """What comes of a request: an answer, or why there is none."""
        self.submits[submission.name] += 1
        if fate == "refused":
            raise Refused("sbatch refused: Invalid account")
        if fate == "policy":
            raise PolicyLimit("sbatch refused: Job violates accounting/QOS policy")
        if fate == "down" or self.is_down:
            raise Unavailable("sbatch: Unable to contact slurm controller")
        if fate == "late":
            self.late.append(submission)
            raise Unavailable("sbatch did not end within 30 s")
        run = self.execute(submission)
        if fate == "lost":
            raise Unavailable("sbatch: Socket timed out on send/recv operation")
        return run.job.job_id

    async def queue(self) -> Listing:
        self._require_up()
        return Listing(tuple(run.job for run in self.queued.values()), ())

    async def accounted(self, job_ids: Sequence[str]) -> Listing | None:
        jobs = [replace(self.accounts[i], comment="") for i in job_ids if i in self.accounts]
        return Listing(tuple(jobs), ()) if self.has_accounting else None

    async def accounted_by_name(self, name: str) -> Listing | None:
        jobs = [replace(job, comment="") for job in self.accounts.values() if job.name == name]
        return Listing(tuple(jobs), ()) if self.has_accounting else None

    async def stop(self, job_id: str, name: str) -> None:
        await self.drop(job_id, name)
        await self.signal(job_id, name)

    async def signal(self, job_id: str, name: str) -> None:
        run = self._named(job_id, name)
        if run is not None and run.job.state == "RUNNING":
            run.was_told_to_stop = run.was_ended_by_us = True

    async def drop(self, job_id: str, name: str) -> None:
        run = self._named(job_id, name)
        if run is not None and run.job.state == "PENDING":
            run.was_ended_by_us = True
            self.end(run, "CANCELLED")

    async def cancel(self, job_id: str, name: str) -> None:
        run = self._named(job_id, name)
        if run is not None and not run.is_over:
            run.was_ended_by_us = run.was_killed = True
            self.end(run, "CANCELLED")

    async def nodes(self, partitions: Sequence[str]) -> tuple[NodeLine, ...]:
        return ()

    def _named(self, job_id: str, name: str) -> Run | None:
        self._require_up()
        run = self.queued.get(job_id)
        return run if run is not None and run.job.name == name else None

    def _require_up(self) -> None:
        if self.is_down:
            raise Unavailable("Unable to contact slurm controller (connect failure)")

    # The controller

    def execute(self, submission: Submission) -> Run:
        """Queue the job of a request."""
        job_id = str(self._next_id)
        self._next_id += 1
        none = {"started_at": None, "ended_at": None}
        where = {"work_dir": str(submission.directory), "name": submission.name, "comment": submission.comment}
        job = QueueJob(job_id, "PENDING", Exit(0, 0), "Priority", submitted_at=1, **none, **where)
        run = Run(job, submission.directory)
        self.runs.append(run)
        self.queued[job_id] = run
        self._account(run)
        return run

    def end(self, run: Run, state: str, exit_: Exit = NO_ERROR) -> None:
        run.job = replace(run.job, state=state, exit=exit_)
        self._account(run)

    def purge(self, run: Run) -> None:
        """The controller forgets a job that is over."""
        del self.queued[run.job.job_id]

    def lose_state(self) -> None:
        """The controller starts with empty hands, and counts from 1: its jobs end, nobody says how."""
        for run in self.queued.values():
            run.was_killed = run.was_killed or not run.is_over
        self.queued.clear()
        self.late.clear()
        self._next_id = 1

    def catch_up(self) -> None:
        """Accounting, and the shared file system, show what happened."""
        self.accounting_lags = self.files_lag = False
        for run in self.runs:
            if self.queued.get(run.job.job_id) is run:
                self._account(run)
        for directory, status in self._hidden.items():
            self._publish(directory, status)
        self._hidden.clear()

    def _account(self, run: Run) -> None:
        if not self.accounting_lags:
            self.accounts[run.job.job_id] = run.job

    # The node

    def start(self, run: Run) -> None:
        """Run the job's script: it takes the claim first, and runs nothing without it."""
        if not (run.directory / "supervisor.pyz").exists() or not (run.directory / "spec.json").exists():
            self.end(run, "FAILED", Exit(2, 0))
        elif claim(str(run.directory), run.job.job_id) != run.job.job_id:
            self.end(run, "FAILED", Exit(HELD_BY_ANOTHER_JOB, 0))
        elif (code := code_of_finished_run(str(run.directory), run.job.job_id)) is not None:
            self.end(run, "COMPLETED" if code == 0 else "FAILED", Exit(code, 0))
        else:
            run.has_claim = True
            run.job = replace(run.job, state="RUNNING", started_at=1767225600)
            self._account(run)
            self._write_status(run, {"state": "running", "started_at": MOMENT}, over=False)

    def end_program(self, run: Run, code: int) -> None:
        """The program ends by itself; the job's end is a moment away."""
        run.code = code
        reason = "Completed" if code == 0 else "Error"
        self._write_status(run, {"state": "terminated", "exit_code": code, "reason": reason}, over=True)

    def end_job(self, run: Run) -> None:
        """After its program, or because it was told to."""
        if run.code is None:
            end = {"exit_code": STOPPED_CODE, "reason": "Stopped", "started_at": MOMENT}
            self._write_status(run, {"state": "terminated", **end}, over=True)
        code = STOPPED_CODE if run.code is None else run.code
        self.end(run, "COMPLETED" if code == 0 else "FAILED", Exit(code, 0))

    def _write_status(self, run: Run, container: dict[str, object], *, over: bool) -> None:
        status = {"schema": 1, "job_id": run.job.job_id, "host": "n1", "started_at": MOMENT}
        status |= {"containers": {"main": {"kind": "main", **container}}}
        status |= {"finished_at": MOMENT, "exit_code": container["exit_code"]} if over else {"finished_at": None}
        if self.files_lag:
            run.was_hidden = True
            self._hidden[run.directory] = json.dumps(status).encode()
        else:
            self._publish(run.directory, json.dumps(status).encode())

    def _publish(self, directory: Path, status: bytes) -> None:
        if directory.is_dir():
            (directory / "status.json").write_bytes(status)
            (self.root / ".notices").mkdir(exist_ok=True)
            (self.root / ".notices" / directory.name[-36:]).touch()
