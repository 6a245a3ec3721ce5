"""The keeper: takes the notices of jobs, reads their status files, closes what is over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Final

import structlog

from dte.runtime.errors import Unavailable

from .job import Job
from .metrics import NOTICES
from .table import JobTable

log = structlog.get_logger()

NOTICE_INTERVAL_S: Final = 1.0
"""One readdir a second; it works on every file system, also where file events do not."""
DELETE_INTERVAL_S: Final = 0.25
"""The same while a deleted pod ends: somebody waits for it."""
WATCHED_INTERVAL_S: Final = 10.0
"""The same where file events tell of notices: for what they may miss."""
READS_AT_ONCE: Final = 4


class Keeper:
    """Keeps the table in step with the job directories."""

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._to_read: set[str] = set()
        self._to_settle: set[str] = set()
        self._work = asyncio.Event()
        self.is_told_of_notices = False
        """Whether `notices_soon` is called when a notice appears, so that they need not be listed every second."""
        self._has_notice = False
        self._next_listing_at = 0.0
        self._is_failing = False

    def read_soon(self, job: Job) -> None:
        """Look at the job's status file at once, then whether the job is over."""
        self._to_read.add(job.uid)
        self._work.set()

    def settle_soon(self, job: Job) -> None:
        """Look at once whether the job is over."""
        self._to_settle.add(job.uid)
        self._work.set()

    def notices_soon(self) -> None:
        """Take the notices at once: there is a new one."""
        self._has_notice = True
        self._work.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self.tick()
            try:
                async with asyncio.timeout(self._interval_s()):
                    await self._work.wait()
            except TimeoutError:
                continue

    def _interval_s(self) -> float:
        is_deleting = any(job.record.is_deleted for job in self._table.live())
        return DELETE_INTERVAL_S if is_deleting and not self.is_told_of_notices else NOTICE_INTERVAL_S

    async def tick(self) -> None:
        """One round: notices, status files, ends."""
        self._work.clear()
        failures: list[Unavailable] = []
        # Each by itself: one directory that cannot be read must not keep the other pods from ending.
        for part in (self._take_notices, self._read_files, self._settle_all):
            try:
                await part()
            except Unavailable as e:
                failures.append(e)
        if failures and not self._is_failing:
            log.error("job_root_unavailable", error=str(failures[0]), effect="states stay as they are")
        elif self._is_failing and not failures:
            log.info("job_root_back")
        self._is_failing = bool(failures)

    async def _take_notices(self) -> None:
        now = self._table.clock()
        is_due = self._has_notice or not self.is_told_of_notices or now >= self._next_listing_at
        if is_due and self._table.live():
            found = "event" if self._has_notice else "list"
            self._has_notice = False
            self._next_listing_at = now + WATCHED_INTERVAL_S
            uids = await self._table.store.take_notices()
            NOTICES.labels(found).inc(len(uids))
            self._to_read |= uids

    async def _read_files(self) -> None:
        # One that cannot be read stays in the set and is tried again in the next round.
        limit = asyncio.Semaphore(READS_AT_ONCE)

        async def read(uid: str) -> None:
            job = self._table.get(uid)
            if job is not None and not job.record.is_over:
                async with limit:
                    files = await self._table.store.read_files(job.record)
                self._table.see_files(job, files)
                self._to_settle.add(uid)
            self._to_read.discard(uid)

        await _all_of([read(uid) for uid in self._to_read])

    async def _settle_all(self) -> None:
        # A job that was told to end waits for Slurm's word why, but not for ever.
        self._to_settle |= {job.uid for job in self._table.live() if job.files and job.files.finished_at}
        limit = asyncio.Semaphore(READS_AT_ONCE)

        async def settle(uid: str) -> None:
            lock = self._table.lock(uid)
            if lock.locked():
                return  # a create or delete is under way: next round
            async with limit, lock:
                job = self._table.get(uid)
                if job is not None:
                    await self._table.settle(job)
                self._to_settle.discard(uid)

        await _all_of([settle(uid) for uid in self._to_settle])


async def _all_of(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Do all of it; then raise the first error, so that one bad directory does not stop the others."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if result is not None:
            raise result
