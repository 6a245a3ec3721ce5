"""Delete: ask the job's script to end, wait for the pod's grace period, then cancel the job for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from dte.interlink import pods
from dte.interlink.wire import Creator
from dte.runtime.errors import NotFound, Refused, Unavailable

from .batch import BatchSystem
from .job import Job
from .life import State
from .metrics import DELETES
from .poll import Poller
from .record import Maker
from .shapes import referenced_uid
from .table import JobTable

log = structlog.get_logger()

TICK_S: Final = 1.0
RETRY_S: Final = 5.0
"""Between two tries to tell a job to end."""
GRACE_MARGIN_S: Final = 10.0
"""On top of the pod's grace period, for the supervisor to write the status."""
CANCEL_AGAIN_S: Final = 30.0
AT_ONCE: Final = 8


class Stopper:
    """Ends the jobs of deleted pods and keeps trying until they are over."""

    def __init__(self, table: JobTable, poller: Poller, batch: BatchSystem) -> None:
        self._table = table
        self._poller = poller
        self._batch = batch

    async def delete(self, pod: pods.Pod, *, owner_id: str = "", creator: Creator | None = None) -> None:
        """Delete a pod: on record first, then its job is told to end; returns when the batch system accepted that.

        Repeating it is harmless, an unknown pod is none of ours. Raises Unavailable when the batch system does not
        answer; the deletion is on record all the same and goes on by itself. Raises NotFound for a pod of another
        owner or creator: an API that lost its table passes on what it cannot judge.
        """
        uid = referenced_uid(pod)
        try:
            async with self._table.lock(uid):
                self._require_owner(uid, owner_id, creator)
                await self._delete(uid)
        except Unavailable:
            DELETES.labels("again").inc()
            raise
        DELETES.labels("ok").inc()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self.tick()
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """One round over the jobs of deleted pods that are not over."""
        now = self._table.clock()
        deleted = [job for job in self._table.live() if job.record.is_deleted and job.record.job_id]
        due = [job for job in deleted if now >= job.next_stop_at and not job.stop_is_under_way]
        for start in range(0, len(due), AT_ONCE):
            await asyncio.gather(*(self._try(job) for job in due[start : start + AT_ONCE]))

    def _require_owner(self, uid: str, owner_id: str, creator: Creator | None) -> None:
        job = self._table.get(uid)
        if job is None:
            return
        recorded = job.record
        is_other_owner = owner_id and recorded.owner_id and owner_id != recorded.owner_id
        is_other_creator = creator and recorded.creator and creator != recorded.creator
        if is_other_owner or is_other_creator:
            log.warning("delete_by_another", pod_uid=uid, owner_id=owner_id)
            raise NotFound(f"pod {uid} is not known here")

    async def _delete(self, uid: str) -> None:
        job = self._table.get(uid)
        if job is None:
            log.info("delete_of_unknown_pod", pod_uid=uid)
            return
        await self._table.save(job, job.record.deleted(self._table.wall_clock()))
        if job.record.state is State.DELETED:
            job.has_leftovers = True
            await self._table.clean(job)
        elif job.record.job_id and job.stop_sent_at is None and not job.stop_is_under_way:
            await self._ask_to_end(job)
        self._poller.look_soon()

    async def _try(self, job: Job) -> None:
        try:
            if self._is_grace_over(job):
                log.warning("grace_period_over", pod_uid=job.uid, job_id=job.record.job_id, effect="job is cancelled")
                job.next_stop_at = self._table.clock() + CANCEL_AGAIN_S
                await self._batch.cancel(job.record.job_id, job.queue_name)
            else:
                await self._ask_to_end(job)
            self._poller.look_soon()
        except (Unavailable, Refused) as e:
            job.next_stop_at = self._table.clock() + RETRY_S
            log.warning("stop_failed", pod_uid=job.uid, job_id=job.record.job_id, error=str(e), retry_in_s=RETRY_S)

    async def _ask_to_end(self, job: Job) -> None:
        job.stop_is_under_way = True
        try:
            await self._way_to_end(job)(job.record.job_id, job.queue_name)
        finally:
            job.stop_is_under_way = False
        now = self._table.clock()
        if job.stop_sent_at is None:
            job.stop_sent_at = now
        # A job that has not written its status file yet may not have been there to hear the signal: ask again.
        job.next_stop_at = now + RETRY_S if job.current_files is None else self._grace_end(job)

    def _way_to_end(self, job: Job) -> Callable[[str, str], Awaitable[None]]:
        if job.record.made_by is Maker.UPSTREAM:
            return self._batch.cancel  # its script does not pass signals on
        # A job that wrote its status file has started: one command less.
        return self._batch.stop if job.current_files is None else self._batch.signal

    def _is_grace_over(self, job: Job) -> bool:
        return job.stop_sent_at is not None and self._table.clock() >= self._grace_end(job)

    def _grace_end(self, job: Job) -> float:
        assert job.stop_sent_at is not None, "asked before"
        return job.stop_sent_at + job.record.grace_period_s + GRACE_MARGIN_S
