"""Deletes jobs whose pods are gone: Kubernetes does not tell a kubelet that was away what was removed meanwhile."""

import asyncio
from collections.abc import Sequence

import structlog

from dte.interlink import pods
from dte.interlink.virtual_kubelet import metrics
from dte.interlink.virtual_kubelet.mirror import SiteJob
from dte.interlink.virtual_kubelet.notes import Note
from dte.interlink.virtual_kubelet.registry import PodRegistry
from dte.interlink.virtual_kubelet.status_change import JOB_ID_ANNOTATION
from dte.interlink.virtual_kubelet.sweep import Orphans, held_text
from dte.interlink.virtual_kubelet.worker import Surroundings
from dte.runtime.errors import DteError

log = structlog.get_logger()

SWEEP_INTERVAL_S = 30.0


class Sweeper:
    """Looks only while the site's stream tells everything; asks the cluster twice before anything is deleted."""

    def __init__(self, around: Surroundings, registry: PodRegistry) -> None:
        self._around = around
        self._registry = registry
        self._orphans = Orphans()
        self._held: frozenset[str] = frozenset()

    async def run(self) -> None:
        while True:
            await self._around.clock.wait(asyncio.Event(), SWEEP_INTERVAL_S)
            try:
                await self.sweep()
            except DteError as error:
                log.warning("sweep_failed", error=str(error), retry_in_s=SWEEP_INTERVAL_S)

    async def sweep(self) -> None:
        """One look. Raises Unavailable and Refused of the cluster; what the site does not delete is tried again."""
        around = self._around
        if not around.mirror.is_current:
            return
        now = around.clock.monotonic()
        self._orphans.look(self._without_pod(now), now)
        hold = around.hold
        if self._held and self._held == self._orphans.uids() and not hold.released:
            return  # still the same that were held: nothing to ask anybody
        due = [job for job in around.mirror if self._orphans.is_due(job.uid, now)]
        absent = await self._absent() if due else ()
        if not hold.admits(absent, len(around.mirror)):
            await self._hold()
            return
        self._held = frozenset()
        metrics.SWEEP_HELD.set(0)
        await asyncio.gather(*(self._delete(job) for job in absent if self._orphans.is_due(job.uid, now)))

    def _without_pod(self, now: float) -> Sequence[SiteJob]:
        mirror = self._around.mirror
        return [job for job in mirror if job.uid not in self._registry and not mirror.is_stopping(job.uid, now)]

    async def _absent(self) -> Sequence[SiteJob]:
        """Of the orphans those that a complete list lacks too, due or not: what counts is how many would go."""
        listing = await self._around.pods.list_pods()
        listed = {str(pods.metadata(pod).get("uid")) for pod in listing.pods}
        orphans = self._orphans.uids() - listed
        return [job for job in self._around.mirror if job.uid in orphans]

    async def _hold(self) -> None:
        self._held = self._orphans.uids()
        hold, node_name = self._around.hold, self._around.settings.node_name
        metrics.SWEEP_HELD.set(hold.orphans)
        words = held_text(hold.orphans, hold.jobs, node_name)
        log.error("sweep_held", orphans=hold.orphans, jobs=hold.jobs, hint=words)
        about = {"metadata": {"name": node_name}}
        await self._around.events.record(about, Note("SweepHeld", words), kind="Node")

    async def _delete(self, job: SiteJob) -> None:
        around, status = self._around, job.status
        try:
            async with around.ends:
                there = await around.pods.get_pod(status.namespace, status.name)
                if (there is not None and pods.pod_uid(there) == job.uid) or not around.mirror.is_current:
                    return
                await around.site.delete(self._pod_of(job))
        except DteError as error:
            metrics.SWEPT.labels("again").inc()
            log.warning("orphan_not_deleted", pod_uid=job.uid, error=str(error), retry_in_s=SWEEP_INTERVAL_S)
            return
        metrics.SWEPT.labels("accepted").inc()
        around.mirror.stopping(job.uid, around.clock.monotonic())
        log.warning("orphan_deleted", pod_uid=job.uid, pod=f"{status.namespace}/{status.name}", job_id=status.job_id)

    def _pod_of(self, job: SiteJob) -> pods.Pod:
        """As much of the pod as a delete needs."""
        status = job.status
        meta = {
            "name": status.name,
            "namespace": status.namespace,
            "uid": job.uid,
            "annotations": {JOB_ID_ANNOTATION: status.job_id} if status.job_id else {},
        }
        return {"metadata": meta, "spec": {"nodeName": self._around.settings.node_name}}
