"""The jobs of an account as a table or JSON, from their files alone. Pure; `job_files` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dte.interlink.jobs.status import JobStatus, Phase

from .life import State
from .record import Record
from .store import Found

HEADINGS: Final = ("POD", "STATE", "JOB", "EXIT", "AGE", "ENDED", "LAST EVIDENCE", "DIRECTORY")
RUNNING: Final = "running"
"""What a submitted job is once its files say that it has begun."""
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60))


@dataclass(frozen=True, slots=True)
class ListedJob:
    """One pod and its job. Times are Unix seconds."""

    record: Record
    directory: Path
    state: str
    exit_codes: tuple[int, ...]
    """Of containers that have ended, in the pod's order, init containers first."""
    evidence: str
    """What was heard of the job last."""
    evidence_at: float | None
    """When that was written; None: the time is not known."""


def listed(found: Found, directory: Path, *, claimed_at: float | None, status_at: float | None) -> ListedJob:
    """A job from its record and files; `claimed_at`, `status_at` are the times of the files claim and status.json."""
    record, files = found.record, found.files
    state = RUNNING if record.state is State.SUBMITTED and files is not None else record.state.value
    if record.is_over:
        return ListedJob(record, directory, state, _final_codes(record), "final", record.ended_at)
    if files is not None:
        return ListedJob(record, directory, state, _codes(files), "status file", status_at)
    if claimed_at is not None:
        return ListedJob(record, directory, state, (), "claim", claimed_at)
    if record.job_id:
        return ListedJob(record, directory, state, (), "sbatch", None)
    return ListedJob(record, directory, state, (), "none", None)


def _codes(files: JobStatus) -> tuple[int, ...]:
    ended = (item.ended for item in files.containers.values() if item.phase is Phase.TERMINATED)
    return tuple(item.exit_code for item in ended if item is not None)


def _final_codes(record: Record) -> tuple[int, ...]:
    states: Iterable[Mapping[str, Any]] = (
        (item.get("state") or {}).get("terminated") or {} for item in (*record.init_final, *record.final)
    )
    return tuple(state["exitCode"] for state in states if isinstance(state.get("exitCode"), int))


def table(jobs: Sequence[ListedJob], now: float) -> list[str]:
    """Aligned columns: what is not over first, within that the newest last."""
    ordered = sorted(jobs, key=lambda job: (job.record.is_over, job.record.created_at))
    rows = [HEADINGS, *(_row(job, now) for job in ordered)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(job: ListedJob, now: float) -> tuple[str, ...]:
    record = job.record
    seen = "" if job.evidence_at is None else f" {age(now - job.evidence_at)} ago"
    return (
        f"{record.namespace}/{record.pod_name}",
        job.state,
        record.job_id or "-",
        ",".join(map(str, job.exit_codes)) or "-",
        age(now - record.created_at),
        "-" if record.ended_at is None else time_text(record.ended_at),
        f"{job.evidence}{seen}",
        str(job.directory),
    )


def screen(jobs: Sequence[ListedJob], now: float, *, columns: int, lines: int) -> list[str]:
    """As much of the table as fits a terminal, a line of totals before it."""
    open_jobs = sum(not job.record.is_over for job in jobs)
    head = f"{time_text(now)}  {open_jobs} not over, {len(jobs) - open_jobs} over. Ctrl-C ends."
    rows = [head, "", *table(jobs, now)]
    if len(rows) > lines:
        rows = [*rows[: lines - 1], f"... {len(rows) - lines + 1} more; without --watch all are printed"]
    return [row[:columns] for row in rows]


def as_json(job: ListedJob) -> Mapping[str, Any]:
    """One job for programs; times as in Kubernetes (RFC 3339)."""
    record = job.record
    return {
        "namespace": record.namespace,
        "pod": record.pod_name,
        "uid": record.pod_uid,
        "node": record.node,
        "state": job.state,
        "job_id": record.job_id or None,
        "exit_codes": job.exit_codes,
        "created_at": time_text(record.created_at),
        "ended_at": None if record.ended_at is None else time_text(record.ended_at),
        "evidence": job.evidence,
        "evidence_at": None if job.evidence_at is None else time_text(job.evidence_at),
        "directory": str(job.directory),
    }


def age(seconds: float) -> str:
    """`3d4h`, `12m`, `45s`; never negative: clocks of two hosts differ."""
    left = max(int(seconds), 0)
    for index, (unit, size) in enumerate(_UNITS):
        if left >= size:
            smaller = _UNITS[index + 1] if index == 0 else None
            rest = f"{left % size // smaller[1]}{smaller[0]}" if smaller else ""
            return f"{left // size}{unit}{rest}"
    return f"{left}s"


def time_text(seconds: float) -> str:
    """UTC to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
