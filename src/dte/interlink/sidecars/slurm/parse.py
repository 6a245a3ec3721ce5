"""Output of squeue, sacct, sinfo and sbatch -> records. Pure; what each prints stands in docs/wire/slurm.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dte.runtime.errors import BadOutput

SQUEUE_FORMAT: Final = (
    "JobID:|,JobArrayID:|,State:|,exit_code:|,Reason:|,SubmitTime:|,StartTime:|,EndTime:|,WorkDir:|,Name:|,Comment:|"
)
"""A field with `:|` and no width is neither padded nor cut. Name and Comment last: only they may hold a `|`."""

SACCT_FORMAT: Final = "JobIDRaw,State,ExitCode,Submit,Start,End,WorkDir,JobName"
SINFO_FORMAT: Final = "%N|%c|%m|%t|%a|%G|%P"

_SQUEUE_FIELDS: Final = SQUEUE_FORMAT.count(",") + 1
_SACCT_FIELDS: Final = SACCT_FORMAT.count(",") + 1
_JOB_ID = re.compile(r"[1-9][0-9]{0,9}")
_LAUNCH_ERRORS_FROM: Final = 4000
"""22.05 prints Slurm's own error numbers (4021: the output file cannot be opened) in the place of a wait status."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: exit code, and the signal that ended it (0: none)."""

    code: int
    signal: int


@dataclass(frozen=True, slots=True)
class QueueJob:
    """One job as the batch system tells it. Times are Unix seconds; None means that it has not happened."""

    job_id: str
    state: str
    """Long form, first word: `CANCELLED by 2001` is `CANCELLED`."""
    exit: Exit | None
    """None means that the text was not understood."""
    reason: str
    submitted_at: int | None
    started_at: int | None
    ended_at: int | None
    work_dir: str
    name: str
    comment: str
    """Empty when there is none, and always from accounting."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The jobs of one listing, and the lines that were not understood (log them, count them, go on)."""

    jobs: tuple[QueueJob, ...]
    bad_lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeLine:
    """One node in one partition, as sinfo prints it. Memory in MiB."""

    node: str
    cpus: int
    memory_mib: int
    state: str
    """Compact form with its flag: `idle`, `mix`, `drain`, `down*`."""
    partition_is_up: bool
    gres: tuple[tuple[str, int], ...]
    """Generic resources: (`gpu:h100`, 4). The name is the type's where there is one."""
    partition: str


def parse_exit(text: str) -> Exit:
    """Read an exit code in one of its encodings.

    24.11 and sacct print `code:signal`; 22.05's squeue prints the raw wait(2) status, so 768 is
    exit 3 and 9 is signal 9. Raises BadOutput for anything else.
    """
    code, colon, signal = text.partition(":")
    if not code.isascii() or not code.isdigit() or len(code) > 9:
        raise BadOutput(f"exit code {text!r} is neither a number nor code:signal")
    if colon:
        if not signal.isascii() or not signal.isdigit() or len(signal) > 4:
            raise BadOutput(f"exit code {text!r} has no signal number")
        return Exit(int(code), int(signal))
    status = int(code)
    if status >> 16 == 0 and status & 0xFF == 0:
        return Exit(status >> 8, 0)
    if status > _LAUNCH_ERRORS_FROM:
        return Exit(1, 0)
    return Exit(status >> 8, status & 0x7F)


def parse_squeue(text: str) -> Listing:
    """Read the output of squeue in SQUEUE_FORMAT: one job a line."""
    return _listing(text, _queue_job)


def parse_sacct(text: str) -> Listing:
    """Read the output of `sacct -X -n -P` in SACCT_FORMAT: one job a line, the newest record of an id last."""
    return _listing(text, _accounted_job)


def parse_job_id(text: str) -> str:
    """The job id in what `sbatch --parsable` printed: `ID` or `ID;CLUSTER` in the last line.

    Site plugins print a welcome before it. Raises BadOutput.
    """
    lines = text.split()
    job_id = lines[-1].partition(";")[0] if lines else ""
    if not is_job_id(job_id):
        raise BadOutput(f"sbatch printed no job id: {text!r}")
    return job_id


def is_job_id(text: str) -> bool:
    """Whether a text is a job id of Slurm: a decimal number without sign or leading zero."""
    return _JOB_ID.fullmatch(text) is not None


def parse_sinfo(text: str) -> tuple[NodeLine, ...]:
    """Read the output of `sinfo -h -N` in SINFO_FORMAT. Raises BadOutput at a line that has not its shape."""
    return tuple(_node_line(line) for line in text.splitlines() if line.strip())


def _listing(text: str, read: Callable[[str], QueueJob | None]) -> Listing:
    jobs: list[QueueJob] = []
    bad: list[str] = []
    # Not splitlines(): a form feed or a Unicode line end in a comment does not end squeue's line.
    for line in text.split("\n"):
        if not line:
            continue
        job = read(line)
        if job is None:
            bad.append(line)
        else:
            jobs.append(job)
    return Listing(tuple(jobs), tuple(bad))


def _queue_job(line: str) -> QueueJob | None:
    fields = line.split("|", _SQUEUE_FIELDS - 1)
    if len(fields) != _SQUEUE_FIELDS or not is_job_id(fields[0]):
        return None
    comment = fields[10].removesuffix("|")
    return QueueJob(
        job_id=fields[0],
        state=_first_word(fields[2]),
        exit=_exit_or_none(fields[3]),
        reason=fields[4],
        submitted_at=parse_time(fields[5]),
        started_at=parse_time(fields[6]),
        ended_at=parse_time(fields[7]),
        work_dir=fields[8],
        name=fields[9],
        comment="" if comment == "(null)" else comment,
    )


def _accounted_job(line: str) -> QueueJob | None:
    fields = line.split("|", _SACCT_FIELDS - 1)
    if len(fields) != _SACCT_FIELDS or not is_job_id(fields[0]):
        return None
    return QueueJob(
        job_id=fields[0],
        state=_first_word(fields[1]),
        exit=_exit_or_none(fields[2]),
        reason="",
        submitted_at=parse_time(fields[3]),
        started_at=parse_time(fields[4]),
        ended_at=parse_time(fields[5]),
        work_dir=fields[6],
        name=fields[7],
        comment="",
    )


def _first_word(state: str) -> str:
    # sacct: "CANCELLED by 2001"; a node's flag: "RUNNING+".
    return state.split(" ", 1)[0].rstrip("+")


def _exit_or_none(text: str) -> Exit | None:
    try:
        return parse_exit(text)
    except BadOutput:
        return None


def parse_time(text: str) -> int | None:
    """Unix seconds of a time that Slurm printed; None for N/A, Unknown and what is not understood.

    SLURM_TIME_FORMAT=%s gives epoch seconds; where a wrapper loses that variable it is local time in
    ISO form, taken as this host's zone.
    """
    if text.isascii() and text.isdigit() and len(text) <= 12:
        return int(text) or None
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp())
    except (ValueError, OverflowError, OSError):
        return None


def _node_line(line: str) -> NodeLine:
    fields = line.split("|")
    if len(fields) != SINFO_FORMAT.count("|") + 1 or not fields[1].isdigit() or not fields[2].isdigit():
        raise BadOutput(f"sinfo printed a line that is not {SINFO_FORMAT}: {line!r}")
    node, cpus, memory, state, availability, gres, partition = fields
    return NodeLine(
        node=node,
        cpus=int(cpus),
        memory_mib=int(memory),
        state=state,
        partition_is_up=availability == "up",
        gres=tuple(_generic_resources(gres)),
        partition=partition.rstrip("*"),
    )


def _generic_resources(text: str) -> Iterator[tuple[str, int]]:
    # gpu:h100:4(S:0-1),licence:2  |  (null)
    for item in re.sub(r"\([^)]*\)", "", text).split(","):
        name, _, count = item.rpartition(":")
        if name and count.isascii() and count.isdigit():
            yield name, int(count)
