"""The pods of one virtual node: news from the cluster to workers, news from the site to records."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from dte.interlink import pods
from dte.interlink.virtual_kubelet import metrics
from dte.interlink.virtual_kubelet.pod_watch import Changed, Listed, PodWatch, Removed
from dte.interlink.virtual_kubelet.record import PodRecord
from dte.interlink.virtual_kubelet.registry import PodRegistry, is_too_many
from dte.interlink.virtual_kubelet.worker import PodWorker, Surroundings
from dte.interlink.wire import PodStatus
from dte.runtime.errors import Malformed, Refused, Unavailable

log = structlog.get_logger()


class Controller:
    """Runs until it is cancelled. The watch stream and the sweep of a later version join here, as further tasks."""

    def __init__(self, around: Surroundings, registry: PodRegistry, watch: PodWatch) -> None:
        self._around = around
        self._registry = registry
        self._watch = watch
        self._has_listed = False
        self._site_fails = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_cluster(group), name="pod watch")
            group.create_task(self._poll_site(), name="status rounds")

    # The cluster

    async def _follow_cluster(self, group: asyncio.TaskGroup) -> None:
        async with contextlib.aclosing(self._watch.news()) as stream:
            async for news in stream:
                match news:
                    case Listed(listed):
                        self._take_list(listed, group)
                    case Changed(pod):
                        self._take(pod, group, predates_us=False)
                    case Removed(pod):
                        self._lose(pod)

    def _take_list(self, listed: Sequence[pods.Pod], group: asyncio.TaskGroup) -> None:
        present: set[str] = set()
        for pod in listed:
            present.add(str(pods.metadata(pod).get("uid")))
            self._take(pod, group, predates_us=not self._has_listed)
        self._has_listed = True
        missing = [record for record in self._registry.present() if record.uid not in present]
        if is_too_many(len(missing), len(self._registry)):
            log.error(
                "too_many_pods_gone",
                gone=len(missing),
                known=len(self._registry),
                hint="their jobs are left alone; is this the right cluster? If it is, restart to accept the list",
            )
            return
        for record in missing:
            record.vanished()

    def _take(self, pod: pods.Pod, group: asyncio.TaskGroup, *, predates_us: bool) -> None:
        try:
            uid = pods.pod_uid(pod)
        except Malformed as error:
            log.warning("pod_ignored", error=str(error))
            return
        record = self._registry.get(uid)
        if record is not None:
            record.saw(pod)
            return
        record = PodRecord(pod, predates_us=predates_us)
        self._registry.add(record)
        group.create_task(self._work(record), name=f"pod {uid}")

    async def _work(self, record: PodRecord) -> None:
        await PodWorker(record, self._around).run()
        self._registry.drop(record)

    def _lose(self, pod: pods.Pod) -> None:
        record = self._registry.get(str(pods.metadata(pod).get("uid")))
        if record is not None:
            record.vanished()

    # The site

    async def _poll_site(self) -> None:
        while True:
            await self._around.clock.wait(asyncio.Event(), self._around.settings.status_interval_s)
            self._registry.count_phases()
            asked = [record for record in self._registry if record.awaits_status]
            if asked:
                await self._round(asked)

    async def _round(self, asked: list[PodRecord]) -> None:
        """One question for all pods. What fails or is left out keeps every state as it is."""
        try:
            answer = await self._around.site.statuses([record.pod for record in asked])
        except (Unavailable, Refused) as error:
            metrics.STATUS_ROUNDS.labels("failed").inc()
            if not self._site_fails:
                log.warning("status_round_failed", pods=len(asked), error=str(error))
            self._site_fails = True
            return
        metrics.STATUS_ROUNDS.labels("answered").inc()
        if self._site_fails:
            log.info("status_rounds_back")
        self._site_fails = False
        for status in answer.statuses:
            self._hear(status)

    def _hear(self, status: PodStatus) -> None:
        record = self._registry.get(status.uid)
        if record is None:
            return
        try:
            record.heard(status, self._around.moment())
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("status_not_understood", pod_uid=status.uid, error=repr(error), status=str(status)[:2000])
