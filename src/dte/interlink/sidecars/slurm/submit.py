"""Create: one job for each pod, whatever is repeated, lost or killed in between."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from dte.interlink import pods
from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.spec import JobPlan, PlainRuntime, plan_job
from dte.interlink.wire import CreateAnswer, Creator, PluginCreate
from dte.runtime.errors import Conflict, Malformed, Refused, Unavailable

from .batch import BatchSystem, PolicyLimit, Submission
from .drain import DrainFile
from .job import Job
from .life import Event, State, moved
from .matching import QueueIndex, job_to_adopt
from .metrics import CREATES
from .options import SbatchOptions, job_comment, place, sbatch_options
from .poll import Poller
from .record import ContainerName, Record
from .settings import SlurmSettings
from .shapes import check_create
from .table import JobTable

log = structlog.get_logger()

DEFAULT_GRACE_PERIOD_S = 30
"""terminationGracePeriodSeconds of a pod that sets none (Kubernetes API)."""


class Submitter:
    """Turns create requests into jobs. Safe to call twice, concurrently, and after a crash at any point."""

    def __init__(
        self, settings: SlurmSettings, table: JobTable, poller: Poller, batch: BatchSystem, drains: DrainFile
    ) -> None:
        self._settings = settings
        self._table = table
        self._poller = poller
        self._batch = batch
        self._drains = drains

    async def create(self, request: PluginCreate, *, owner_id: str, creator: Creator | None) -> CreateAnswer:
        """The job of a pod: the one there is, else a new one.

        Raises Conflict for a deleted pod, Refused with the batch system's words, Malformed, and Unavailable: then
        nobody knows whether there is a job, and the next call finds out first.
        """
        check_create(request)
        uid = pods.pod_uid(request.pod)
        try:
            async with self._table.lock(uid):
                answer = await self._create(request, owner_id=owner_id, creator=creator)
        except Unavailable:
            CREATES.labels("again").inc()
            raise
        except Refused:
            CREATES.labels("refused").inc()
            raise
        CREATES.labels("ok").inc()
        self._poller.look_soon()
        return answer

    async def _create(self, request: PluginCreate, *, owner_id: str, creator: Creator | None) -> CreateAnswer:
        uid = pods.pod_uid(request.pod)
        job = self._table.get(uid)
        if job is not None and job.record.is_deleted:
            raise Conflict(f"pod {uid} was deleted; a new pod has a new UID")
        if job is not None and job.record.state is not State.INTENT:
            return CreateAnswer(uid, job.record.job_id)
        if job is None:
            self._table.require_room(self._settings.max_jobs)
        elif await self._find_submitted(job):
            return CreateAnswer(uid, job.record.job_id)
        await self._drains.require_open(pods.node_name(request.pod), now=self._table.wall_clock())
        plan, options = self._plan(request)
        job = await self._intend(job, request, plan, owner_id=owner_id, creator=creator)
        await self._submit(job, options)
        return CreateAnswer(uid, job.record.job_id, (*options.warnings, *plan.warnings))

    def _plan(self, request: PluginCreate) -> tuple[JobPlan, SbatchOptions]:
        settings = self._settings
        if not pods.containers(request.pod):
            raise Malformed("spec.containers is empty")
        placement = place(settings, request.pod)
        options = sbatch_options(settings, request.pod, placement)
        runtime = PlainRuntime(
            job_python=settings.job_python,
            bwrap_path=settings.bwrap_path,
            command_prefix=settings.command_prefix,
            prologue=placement.flavor.prologue,
            allow_pre_exec=settings.allow_pre_exec,
            host_paths=settings.host_path_allowed,
        )
        directory = JobDirectory(settings.data_root_folder, pods.namespace(request.pod), pods.pod_uid(request.pod))
        return plan_job(request, directory, runtime, job_umask=settings.umask), options

    async def _intend(
        self, job: Job | None, request: PluginCreate, plan: JobPlan, *, owner_id: str, creator: Creator | None
    ) -> Job:
        """Files and record on disk, before anything is asked of the batch system."""
        if job is None:
            record = new_record(request.pod, owner_id=owner_id, creator=creator, now=self._table.wall_clock())
            await self._table.store.prepare(record, plan)
            return self._table.add(record)
        await self._table.store.prepare(job.record, plan)
        return job

    async def _submit(self, job: Job, options: SbatchOptions) -> None:
        directory = self._table.store.directory(job.record)
        submission = Submission(
            name=job.uid,
            comment=job.record.comment,
            directory=directory.path,
            script=directory.script,
            output=directory.output,
            options=options.arguments,
        )
        try:
            job_id = await self._batch.submit(submission)
        except PolicyLimit as e:
            if self._table.wall_clock() - job.record.created_at < self._settings.submit_retry_hours * 3600:
                raise Unavailable(f"{e} (tried again for {self._settings.submit_retry_hours:g} h)") from e
            await self._table.forget(job, Event.REFUSE)
            raise
        except Refused:
            await self._table.forget(job, Event.REFUSE)
            raise
        await self._table.save(job, job.record.submitted(job_id))

    async def _find_submitted(self, job: Job) -> bool:
        """Whether a submit that was cut off had worked: by queue, then accounting, then the claim.

        If so its job is now the pod's. Raises Unavailable when the queue cannot be asked: submitting blindly might
        make a second job.
        """
        job_id = await self._submitted_id(job)
        if job_id is None:
            return False
        log.warning("job_adopted", pod_uid=job.uid, job_id=job_id)
        await self._table.save(job, job.record.submitted(job_id))
        return True

    async def _submitted_id(self, job: Job) -> str | None:
        work_dir = self._table.store.directory(job.record).path
        jobs = QueueIndex((await self._batch.queue()).jobs).of_pod(job.record, work_dir)
        if not jobs:
            accounted = await self._batch.accounted_by_name(job.uid)
            jobs = QueueIndex(accounted.jobs if accounted is not None else ()).of_pod(job.record, work_dir)
        if jobs:
            return job_to_adopt(jobs, claimant="", recorded="")
        return await self._table.store.read_claim(job.record)


def new_record(pod: pods.Pod, *, owner_id: str, creator: Creator | None, now: float) -> Record:
    """The record of a pod that nothing was submitted for yet."""
    grace = pods.spec(pod).get("terminationGracePeriodSeconds")
    return Record(
        namespace=pods.namespace(pod),
        pod_name=pods.name(pod),
        pod_uid=pods.pod_uid(pod),
        node=pods.node_name(pod),
        state=moved(None, Event.INTEND),
        owner_id=owner_id,
        creator=creator,
        comment=job_comment(pod),
        containers=_names(pods.containers(pod)),
        init_containers=_names(pods.init_containers(pod)),
        grace_period_s=grace if isinstance(grace, int) and grace >= 0 else DEFAULT_GRACE_PERIOD_S,
        created_at=now,
    )


def _names(containers: Sequence[pods.Container]) -> tuple[ContainerName, ...]:
    return tuple(ContainerName(str(c.get("name") or ""), str(c.get("image") or "")) for c in containers)
