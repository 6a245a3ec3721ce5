"""sbatch, squeue, sacct, scancel, sinfo: the only place that calls Slurm. How each behaves: docs/wire/slurm.md."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from dte.runtime.commands import Completed, run_command
from dte.runtime.errors import BadOutput, Refused, Unavailable

from .batch import PolicyLimit, Submission
from .metrics import COMMANDS
from .parse import (
    SACCT_FORMAT,
    SINFO_FORMAT,
    SQUEUE_FORMAT,
    Listing,
    NodeLine,
    parse_job_id,
    parse_sacct,
    parse_sinfo,
    parse_squeue,
)
from .refusals import Answer, answer_of, words_of
from .settings import SlurmSettings

IDS_PER_SACCT: Final = 500
"""sacct fails with thousands of ids on one command line."""
ACCOUNTING_WINDOW: Final = "now-7days"
"""Without -S sacct looks back to midnight only."""

_EPOCH_TIMES: Final = MappingProxyType({"SLURM_TIME_FORMAT": "%s"})
_OVER_STATUSES: Final = frozenset({225, 229})
"""scancel ends with the low byte of Slurm's error number: 2017 invalid job id, 2021 already done; at times wordless."""
_NO_ACCOUNTING: Final = "accounting storage is disabled"
_ALWAYS: Final = ("--parsable", "--export=NIL", "--propagate=NONE", "--no-requeue")


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """A program with the site's leading words, such as `ssh login.example squeue`."""

    program: str
    """Slurm's name of it."""
    words: tuple[str, ...]

    @property
    def is_remote(self) -> bool:
        """Whether a shell at the other end of ssh will read the arguments once more."""
        return len(self.words) > 1 and PurePath(self.words[0]).name == "ssh"

    def argv(self, arguments: Iterable[str], environment: Mapping[str, str]) -> list[str]:
        """The words to run; over ssh each argument is quoted and the environment travels by env(1)."""
        if not self.is_remote:
            return [*self.words, *arguments]
        names = [PurePath(word).name for word in self.words]
        at = names.index(self.program) if self.program in names else len(names) - 1
        variables = ["env", *(f"{name}={shlex.quote(value)}" for name, value in environment.items())]
        before = [*self.words[:at], *(variables if environment else [])]
        return [*before, *self.words[at:], *(shlex.quote(argument) for argument in arguments)]


class SlurmCommands:
    """A BatchSystem made of Slurm's commands, run as this process's account."""

    def __init__(self, settings: SlurmSettings) -> None:
        self._sbatch = ProgramCall("sbatch", tuple(shlex.split(settings.sbatch_path)))
        self._scancel = ProgramCall("scancel", tuple(shlex.split(settings.scancel_path)))
        self._squeue = ProgramCall("squeue", tuple(shlex.split(settings.squeue_path)))
        self._sacct = ProgramCall("sacct", tuple(shlex.split(settings.sacct_path)))
        self._sinfo = ProgramCall("sinfo", tuple(shlex.split(settings.sinfo_path)))
        self._change_timeout_s = settings.submit_timeout_s
        self._look_timeout_s = settings.poll_timeout_s
        self._changes = asyncio.Semaphore(settings.submit_parallel)

    async def submit(self, submission: Submission) -> str:
        """See BatchSystem. Options travel as arguments: in the script sbatch would strip quotes and split lines."""
        arguments = [
            *_ALWAYS,
            *submission.options,
            f"--job-name={submission.name}",
            f"--comment={submission.comment}",
            f"--output={submission.output}",
            f"--chdir={submission.directory}",
            str(submission.script),
        ]
        completed = await self._change(self._sbatch, arguments)
        if completed.status != 0:
            raise _refusal("sbatch", completed)
        try:
            return parse_job_id(completed.stdout.decode("utf-8", "replace"))
        except BadOutput as e:
            # It may have submitted all the same: unknown, so that the next create searches first.
            raise Unavailable(str(e)) from e

    async def queue(self) -> Listing:
        """See BatchSystem. One call, three requests to the controller, however many jobs there are."""
        arguments = ["--me", "--noheader", "--states=all", f"--Format={SQUEUE_FORMAT}"]
        completed = await self._look(self._squeue, arguments)
        if completed.status != 0:
            raise Unavailable(f"squeue failed: {words_of(completed.stderr, completed.status)}")
        return parse_squeue(completed.stdout.decode("utf-8", "replace"))

    async def accounted(self, job_ids: Sequence[str]) -> Listing | None:
        """See BatchSystem."""
        listings: list[Listing] = []
        for start in range(0, len(job_ids), IDS_PER_SACCT):
            listing = await self._account([f"--jobs={','.join(job_ids[start : start + IDS_PER_SACCT])}"])
            if listing is None:
                return None
            listings.append(listing)
        jobs = tuple(job for listing in listings for job in listing.jobs)
        return Listing(jobs, tuple(line for listing in listings for line in listing.bad_lines))

    async def accounted_by_name(self, name: str) -> Listing | None:
        """See BatchSystem."""
        return await self._account([f"--starttime={ACCOUNTING_WINDOW}", f"--name={name}"])

    async def stop(self, job_id: str, name: str) -> None:
        """See BatchSystem. In this order a job that starts in between gets the signal."""
        await self.drop(job_id, name)
        await self.signal(job_id, name)

    async def signal(self, job_id: str, name: str) -> None:
        """See BatchSystem."""
        # --batch: only the script, which is the supervisor: it stops the containers in order and writes the status.
        await self._end(["--batch", "--signal=TERM", f"--name={name}", job_id])

    async def drop(self, job_id: str, name: str) -> None:
        """See BatchSystem."""
        await self._end(["--state=PENDING", f"--name={name}", job_id])

    async def cancel(self, job_id: str, name: str) -> None:
        """See BatchSystem."""
        await self._end([f"--name={name}", job_id])

    async def nodes(self, partitions: Sequence[str]) -> tuple[NodeLine, ...]:
        """See BatchSystem. Raises BadOutput when sinfo prints something else."""
        chosen = [f"--partition={','.join(partitions)}"] if partitions else []
        completed = await self._look(self._sinfo, ["--noheader", "--Node", f"--format={SINFO_FORMAT}", *chosen])
        if completed.status != 0:
            raise Unavailable(f"sinfo failed: {words_of(completed.stderr, completed.status)}")
        return parse_sinfo(completed.stdout.decode("utf-8", "replace"))

    async def _account(self, arguments: Sequence[str]) -> Listing | None:
        if shutil.which(self._sacct.words[0]) is None:
            return None
        completed = await self._look(self._sacct, ["-X", "-n", "-P", "-o", SACCT_FORMAT, *arguments])
        if completed.status != 0 or completed.stderr:
            words = words_of(completed.stderr, completed.status)
            if _NO_ACCOUNTING in words.lower():
                return None
            if completed.status != 0:
                raise Unavailable(f"sacct failed: {words}")
        return parse_sacct(completed.stdout.decode("utf-8", "replace"))

    async def _end(self, arguments: Sequence[str]) -> None:
        completed = await self._change(self._scancel, arguments)
        if completed.status != 0 and not _is_over_already(completed):
            raise _refusal("scancel", completed)

    async def _change(self, call: ProgramCall, arguments: Sequence[str]) -> Completed:
        async with self._changes:
            return await _run(call, arguments, timeout_s=self._change_timeout_s, environment={})

    async def _look(self, call: ProgramCall, arguments: Sequence[str]) -> Completed:
        return await _run(call, arguments, timeout_s=self._look_timeout_s, environment=_EPOCH_TIMES)


async def _run(
    call: ProgramCall, arguments: Sequence[str], *, timeout_s: float, environment: Mapping[str, str]
) -> Completed:
    argv = call.argv(arguments, environment)
    try:
        completed = await run_command(argv, timeout_s=timeout_s, env=environment)
    except BadOutput as e:
        COMMANDS.labels(call.program, "unavailable").inc()
        raise Unavailable(f"{call.program}: {e}") from e
    except Unavailable:
        COMMANDS.labels(call.program, "unavailable").inc()
        raise
    COMMANDS.labels(call.program, "ok" if completed.status == 0 else "failed").inc()
    return completed


def _is_over_already(completed: Completed) -> bool:
    if completed.status in _OVER_STATUSES:
        return True
    words = words_of(completed.stderr, completed.status).lower()
    return "invalid job id" in words or "already completing or completed" in words


def _refusal(program: str, completed: Completed) -> Unavailable | Refused:
    words = words_of(completed.stderr, completed.status)
    text = f"{program} refused (exit {completed.status}): {words}"
    match answer_of(words):
        case Answer.AGAIN:
            return Unavailable(text)
        case Answer.POLICY:
            return PolicyLimit(text)
        case Answer.FINAL:
            return Refused(text)
