"""The poller: one look at the queue serves every pod, however many there are."""

from __future__ import annotations

import asyncio
import random
from typing import Final

import structlog

from dte.runtime.errors import Refused, Unavailable

from .batch import BatchSystem
from .job import Job
from .keeper import Keeper
from .life import State
from .matching import QueueIndex, job_to_adopt
from .metrics import BAD_OUTPUT, POLL_FAILURES, POLL_SECONDS, POLLS
from .parse import Listing, QueueJob
from .states import Phase, is_final, phase_of
from .table import JobTable

log = structlog.get_logger()

SOON_S: Final = 1.0
"""Shortest time between two looks when something happened: a burst of submits must not become a burst of squeue."""
LOAD_FACTOR: Final = 10
"""squeue may keep the controller busy for a tenth of the time at most."""
JITTER: Final = 0.2
MAX_WAIT_S: Final = 120.0


class Poller:
    """Looks at the queue while any job is not over, and hands what it sees to the table."""

    def __init__(self, table: JobTable, keeper: Keeper, batch: BatchSystem, *, interval_s: float) -> None:
        self._table = table
        self._keeper = keeper
        self._batch = batch
        self._interval_s = interval_s
        self._wake = asyncio.Event()
        self.wait_s = interval_s
        """Until the next look, before jitter, if nothing happens."""
        self._soon_s = SOON_S
        self._failing_since: float | None = None
        self._last_error = ""
        self._accounting_is_down = False
        self._bad_lines: set[str] = set()
        self.has_polled = False
        """Whether the queue was seen since the start."""

    def look_soon(self) -> None:
        """Look within a second, if squeue is not slow: a job was submitted or told to end."""
        self._wake.set()

    def readiness(self) -> str | None:
        """None when the queue was seen and still is, else why not."""
        if self._failing_since is None:
            return None if self.has_polled else "the queue was not seen yet"
        return f"the queue was not seen for {round(self._table.clock() - self._failing_since)} s: {self._last_error}"

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if self._table.live() or not self.has_polled:
                await self.look()
                self._table.publish_live()
            await self._sleep()

    async def look(self) -> None:
        """One look. A failure changes no job; the wait doubles up to two minutes."""
        begun_at = self._table.clock()
        try:
            listing = await self._batch.queue()
        except Unavailable as e:
            self._note_failure(str(e))
            return
        await self.apply(listing, begun_at)
        seconds = self._table.clock() - begun_at
        POLLS.inc()
        POLL_SECONDS.observe(seconds)
        self._note_success()
        self._soon_s = max(SOON_S, LOAD_FACTOR * seconds)
        self.wait_s = max(self._interval_s, self._soon_s)
        self.has_polled = True

    async def apply(self, listing: Listing, begun_at: float) -> None:
        """Bring a listing that was asked for at `begun_at` into the table."""
        self._note_bad_lines(listing.bad_lines)
        index = QueueIndex(listing.jobs)
        missing: list[Job] = []
        for job in self._table.live():
            if not job.may_use_snapshot(begun_at):
                continue
            try:
                await self._order(job, index)
            except (Unavailable, Refused) as e:
                # One that cannot be put in order now must not keep the others from being seen.
                log.warning("order_failed", pod_uid=job.uid, job_id=job.record.job_id, error=str(e))
            seen = index.recorded(job.record, self._table.store.directory(job.record).path)
            if seen is not None:
                self._see(job, seen, begun_at)
            elif job.record.job_id or job.record.state is State.DELETING:
                missing.append(job)
        await self._look_up(missing, begun_at, is_whole=not listing.bad_lines)

    def _see(self, job: Job, seen: QueueJob, begun_at: float) -> None:
        is_new_state = job.queue is None or job.queue.state != seen.state
        was_requeued = job.is_requeued
        self._table.see_queue(job, seen, begun_at)
        if is_new_state and phase_of(seen.state) is Phase.UNKNOWN:
            log.warning("job_state_unknown", pod_uid=job.uid, job_id=seen.job_id, state=seen.state)
        if job.is_requeued and not was_requeued:
            log.warning("job_requeued", pod_uid=job.uid, job_id=seen.job_id, reason=seen.reason, hint="by the site")
        if seen.name != job.uid and not job.is_rename_told:
            job.is_rename_told = True
            log.warning("job_renamed", pod_uid=job.uid, job_id=seen.job_id, name=seen.name, hint="by a submit plugin")
        if job.is_file_behind():
            self._keeper.read_soon(job)
        elif job.files is not None and job.files.finished_at is not None:
            self._keeper.settle_soon(job)  # it was over before its id was known

    async def _order(self, job: Job, index: QueueIndex) -> None:
        """Take on a job whose id was never saved; make one of two jobs of the same pod."""
        jobs = index.of_pod(job.record, self._table.store.directory(job.record).path)
        lock = self._table.lock(job.uid)
        if not jobs or lock.locked():
            return  # a create or delete is under way: next round
        async with lock:
            chosen = job_to_adopt(jobs, claimant=job.files.job_id if job.files else "", recorded=job.record.job_id)
            if chosen != job.record.job_id:
                log.warning("job_adopted", pod_uid=job.uid, job_id=chosen, recorded=job.record.job_id)
                await self._table.save(job, job.record.submitted(chosen))
        for other in jobs:
            if other.job_id != job.record.job_id and not is_final(other.state):
                await self._end_second(job, other)

    async def _end_second(self, job: Job, other: QueueJob) -> None:
        log.warning("second_job_of_pod", pod_uid=job.uid, job_id=job.record.job_id, second=other.job_id)
        has_claim = job.files is not None and job.files.job_id == job.record.job_id
        if has_claim or job.record.is_deleted:
            await self._batch.cancel(other.job_id, other.name)
        else:
            # Nobody has the claim yet. A running one settles it by itself; only a waiting one is safe to end.
            await self._batch.drop(other.job_id, other.name)

    async def _look_up(self, missing: list[Job], begun_at: float, *, is_whole: bool) -> None:
        """Ask accounting, in one go, for jobs that the queue does not list. It is no end by itself.

        Accounting tells how a job ended. It cannot tell that one waits or runs which a queue that was read whole
        (`is_whole`) does not list: a controller that lost its state leaves such entries for ever.
        """
        if not missing:
            return
        try:
            listing = await self._batch.accounted([job.record.job_id for job in missing if job.record.job_id])
        except Unavailable as e:
            # It may know them: nothing is concluded, and the queue is looked at as often as before.
            if not self._accounting_is_down:
                log.warning("accounting_failed", error=str(e), effect="jobs that left the queue stay as they are")
            self._accounting_is_down = True
            return
        self._accounting_is_down = False
        index = QueueIndex(listing.jobs if listing is not None else ())
        for job in missing:
            known = index.recorded(job.record, self._table.store.directory(job.record).path)
            if known is not None and is_final(known.state):
                self._see(job, known, begun_at)
            elif known is None or is_whole:
                self._table.miss(job, begun_at)
            self._keeper.read_soon(job)

    def _note_bad_lines(self, lines: tuple[str, ...]) -> None:
        # A job of somebody else with a line end in its comment stays in the queue for days: said once.
        for line in set(lines) - self._bad_lines:
            BAD_OUTPUT.labels("squeue").inc()
            log.warning("squeue_line_unreadable", line=line[:500])
        self._bad_lines = set(lines)

    def _note_failure(self, error: str) -> None:
        POLL_FAILURES.inc()
        self._last_error = error
        self.wait_s = min(MAX_WAIT_S, 2 * max(self.wait_s, self._interval_s))
        if self._failing_since is None:
            self._failing_since = self._table.clock()
            log.warning("poll_failed", error=error, retry_in_s=self.wait_s, effect="job states stay as they are")

    def _note_success(self) -> None:
        if self._failing_since is not None:
            log.info("poll_works_again", after_s=round(self._table.clock() - self._failing_since))
        self._failing_since = None

    async def _sleep(self) -> None:
        """Wait for the next look: the interval, or less when something happened."""
        wait_s = self.wait_s * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311  jitter needs no secrecy
        started = self._table.clock()
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
                if self._failing_since is not None:
                    await asyncio.sleep(wait_s)  # no hurry while the controller is down
        except TimeoutError:
            return
        self._wake.clear()
        remaining = self._soon_s - (self._table.clock() - started)
        if remaining > 0:
            await asyncio.sleep(remaining)
