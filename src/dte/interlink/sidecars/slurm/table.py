"""The job table: every pod on record, its locks, and what is told of it when asked and when it changes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

import structlog

from dte.interlink import pods
from dte.interlink.jobs.status import JobStatus
from dte.interlink.watch.hub import WatchHub
from dte.interlink.wire import PodStatus
from dte.runtime.errors import Malformed, Unavailable

from .job import Job
from .life import Event, State, require_dropped
from .metrics import JOBS
from .parse import QueueJob
from .record import Record
from .shapes import referenced_uid
from .store import RecordStore

log = structlog.get_logger()

Clock = Callable[[], float]


class JobTable:
    """Pods by UID. What it holds was on disk first: after a crash, `load` brings the same table back.

    Every change of a pod's state passes through here, so that `hub` has it at once.
    """

    def __init__(
        self,
        store: RecordStore,
        *,
        status_file_grace_s: float,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
    ) -> None:
        self.store = store
        self.clock = clock
        self.wall_clock = wall_clock
        self.hub = WatchHub()
        self._grace_s = status_file_grace_s
        self._jobs: dict[str, Job] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(self) -> None:
        """Read all records. Raises Unavailable when the job root does not answer."""
        now = self.clock()
        for found in await self.store.load():
            job = Job(found.record, known_since=now, has_leftovers=found.has_leftovers)
            if not found.record.is_over:
                job.see_files(found.files, now)
            self._jobs[job.uid] = job
            self._publish(job)
        self._count()
        log.info("records_loaded", pods=len(self._jobs), not_over=len(self.live()))

    def lock(self, uid: str) -> asyncio.Lock:
        """The lock under which a pod's job is created, deleted and closed."""
        lock = self._locks.get(uid)
        if lock is None:
            lock = self._locks[uid] = asyncio.Lock()
        return lock

    def get(self, uid: str) -> Job | None:
        """The job of a pod; None for a pod that was never created here (or so long ago that its record is gone)."""
        return self._jobs.get(uid)

    def all(self) -> list[Job]:
        """Every job on record, tombstones too."""
        return list(self._jobs.values())

    def live(self) -> list[Job]:
        """The jobs that are not over."""
        return [job for job in self._jobs.values() if not job.record.is_over]

    def add(self, record: Record) -> Job:
        """Take a job into the table whose record is on disk."""
        job = Job(record, known_since=self.clock())
        self._jobs[job.uid] = job
        self._count()
        return job

    async def forget(self, job: Job, why: Event) -> None:
        """Remove a job from disk and table: it was refused, or its time is over. Raises Unavailable."""
        require_dropped(job.record.state, why)
        await self.store.remove(job.record)
        self._jobs.pop(job.uid, None)
        self.hub.forget(job.uid)
        self._count()

    async def save(self, job: Job, record: Record) -> None:
        """Put a changed record on disk, then into the table. Raises Unavailable; the table is then as before."""
        if record == job.record:
            return
        await self.store.save(record)
        if record.job_id != job.record.job_id:
            job.known_since = self.clock()
            # Whatever was seen of, or said to, the other job:
            job.queue = job.missing_since = job.stop_sent_at = None
            job.next_stop_at = 0.0
        if record.state is not job.record.state:
            log.info("job_" + record.state.value, pod_uid=job.uid, pod=record.pod_name, job_id=record.job_id)
        job.record = record
        self._publish(job)
        self._count()

    def see_files(self, job: Job, files: JobStatus | None) -> None:
        """Take note of a job's status file as read just now; None: there is none."""
        job.see_files(files, self.clock())
        self._publish(job)

    def see_queue(self, job: Job, queue: QueueJob, begun_at: float) -> None:
        """Take note of what a look at the queue or at accounting, begun at `begun_at`, said of a job."""
        job.see_queue(queue, begun_at)
        self._publish(job)

    def miss(self, job: Job, begun_at: float) -> None:
        """Take note that neither queue nor accounting list a job."""
        job.miss(begun_at)
        self._publish(job)

    def publish_live(self) -> None:
        """Tell what changed by the mere passing of time: a grace period that ended."""
        for job in self.live():
            self._publish(job)

    async def settle(self, job: Job) -> None:
        """Close the job if the evidence says that it is over. Raises Unavailable. Call it with the pod's lock held."""
        if job.record.is_over:
            return
        findings = job.findings(self.clock(), grace_s=self._grace_s)
        if not findings.is_over:
            return
        ended = job.record.ended(self.wall_clock(), final=findings.containers, init_final=findings.init_containers)
        job.has_leftovers = True
        await self.save(job, ended)
        try:
            await self.clean(job)
        except Unavailable as e:  # the end stands; retention tries again
            log.warning("files_of_pod_not_removed", pod_uid=job.uid, job_id=job.record.job_id, error=str(e))

    async def clean(self, job: Job) -> None:
        """Remove the files of a job that is over which nobody needs any more, its secrets above all.

        May be repeated. Raises Unavailable. Call it with the pod's lock held.
        """
        if job.record.state is State.DELETED:
            await self.store.bury(job.record)
        else:
            await self.store.forget_secrets(job.record)
        job.has_leftovers = False

    def statuses(self, requested: Sequence[pods.Pod]) -> list[PodStatus]:
        """The states of those pods that are known here, in the order asked for; from memory.

        A pod whose submission is not settled is left out: nobody was told yet that it has a job. So is one without a
        readable UID: one bad item must not cost the others their answer.
        """
        now = self.clock()
        answers = []
        for pod in requested:
            try:
                job = self._jobs.get(referenced_uid(pod))
            except Malformed:
                continue
            if job is not None and job.is_shown:
                answers.append(job.pod_status(now, grace_s=self._grace_s))
        return answers

    def require_room(self, max_jobs: int) -> None:
        """Raise Unavailable when as many jobs as the site allows are not over."""
        live = len(self.live())
        if live >= max_jobs:
            raise Unavailable(f"{live} jobs are not over, the site's limit (MaxJobs) is {max_jobs}")

    def _publish(self, job: Job) -> None:
        if job.is_shown:
            self.hub.publish(
                job.pod_status(self.clock(), grace_s=self._grace_s),
                deleted=job.record.state is State.DELETED,
                owner=job.record.owner_id,
                creator=job.record.creator,
            )

    def _count(self) -> None:
        counts = Counter(job.record.state for job in self._jobs.values())
        for state in State:
            JOBS.labels(state.value).set(counts[state])
