"""Retention: what nobody needs any more goes, the oldest first; what could not be removed is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final

import structlog

from dte.runtime.errors import Unavailable

from .job import Job
from .life import Event, State
from .metrics import KEPT_BYTES, REMOVAL_FAILURES
from .record import Record
from .table import JobTable

log = structlog.get_logger()

INTERVAL_S: Final = 600.0
FAILURES_PER_ROUND: Final = 3


class Retention:
    """Removes records after a time, and the files of finished jobs that take more than the site gives them."""

    def __init__(self, table: JobTable, *, keep_s: float, keep_bytes: int | None) -> None:
        """`keep_bytes`: what the directories of finished jobs may take together; None: no limit."""
        self._table = table
        self._keep_s = keep_s
        self._keep_bytes = keep_bytes

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self.tick()
            await asyncio.sleep(INTERVAL_S)

    async def tick(self) -> None:
        """One round."""
        now = self._table.wall_clock()
        # On a mount that hangs each try takes its whole time limit; one bad directory must not keep the others.
        tries = FAILURES_PER_ROUND
        for step in self._steps(now):
            try:
                await step()
            except Unavailable as e:
                REMOVAL_FAILURES.inc()
                log.warning("files_not_removed", error=str(e), retry_in_s=INTERVAL_S)
                tries -= 1
            if not tries:
                return

    def _steps(self, now: float) -> Iterator[Callable[[], Awaitable[None]]]:
        # What failed comes last.
        by_age = sorted(self._table.all(), key=lambda job: (job.tidying_failed_at, _unused_since(job.record) or now))
        yield lambda: self._table.store.remove_stale_notices(now)
        yield from (partial(self._attempt, job, now) for job in by_age)
        yield lambda: self._keep_within_bytes(now)

    async def _attempt(self, job: Job, now: float) -> None:
        lock = self._table.lock(job.uid)
        if lock.locked():
            return  # a create or delete is under way: next time
        try:
            async with lock:
                await self._tidy(job, now)
        except Unavailable:
            job.tidying_failed_at = now
            raise

    async def _tidy(self, job: Job, now: float) -> None:
        since = _unused_since(job.record)
        if since is not None and now - since > self._keep_s:
            await self._table.forget(job, Event.EXPIRE)
            log.info("record_removed", pod_uid=job.uid, job_id=job.record.job_id)
        elif job.has_leftovers:
            await self._table.clean(job)

    async def _keep_within_bytes(self, now: float) -> None:
        if self._keep_bytes is None:
            return
        finished = [job for job in self._table.all() if job.record.state is State.TERMINAL]
        finished.sort(key=lambda job: (job.tidying_failed_at, job.record.ended_at or now))
        for job in finished:
            if job.size_bytes is None:  # a finished job's files change no more
                job.size_bytes = await self._table.store.size_bytes(job.record)
        total = sum(job.size_bytes or 0 for job in finished)
        for job in finished:
            if total <= self._keep_bytes:
                break
            total -= await self._empty(job, now)
        KEPT_BYTES.set(total)

    async def _empty(self, job: Job, now: float) -> int:
        """Remove the files of a finished job, logs too; its record with the final state stays. Returns bytes freed."""
        lock = self._table.lock(job.uid)
        if lock.locked() or not job.size_bytes:
            return 0
        try:
            async with lock:
                await self._table.store.bury(job.record)
        except Unavailable:
            job.tidying_failed_at = now
            raise
        freed, job.size_bytes = job.size_bytes, 0
        log.info("files_removed_for_space", pod_uid=job.uid, job_id=job.record.job_id, freed_bytes=freed)
        return freed


def _unused_since(record: Record) -> float | None:
    """Since when nobody needs the record; None: somebody does.

    An intent that never became a job in all that time was given up by whoever asked for it.
    """
    if record.state is State.INTENT:
        return record.created_at
    # The later of the two: a job that outlived its pod's deletion for long has an end that was not told yet.
    return max(record.deleted_at or 0.0, record.ended_at or 0.0) if record.is_over else None
