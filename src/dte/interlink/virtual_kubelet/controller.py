"""The pods of one virtual node: news from the cluster to workers; `site_news` has those from the site."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from dte.interlink import pods
from dte.interlink.virtual_kubelet.pod_watch import Changed, Listed, PodWatch, Removed
from dte.interlink.virtual_kubelet.record import PodRecord
from dte.interlink.virtual_kubelet.registry import PodRegistry
from dte.interlink.virtual_kubelet.site_news import SiteNews
from dte.interlink.virtual_kubelet.sweep import is_too_many
from dte.interlink.virtual_kubelet.sweeper import Sweeper
from dte.interlink.virtual_kubelet.worker import PodWorker, Surroundings
from dte.runtime.errors import Malformed

log = structlog.get_logger()


class Controller:
    """Runs until it is cancelled."""

    def __init__(self, around: Surroundings, registry: PodRegistry, watch: PodWatch) -> None:
        self._around = around
        self._registry = registry
        self._watch = watch
        self._listed = asyncio.Event()
        self._site_news = SiteNews(around, registry)
        self._sweeper = Sweeper(around, registry)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_cluster(group), name="pod watch")
            # Whatever the site tells first is for a pod that is known by then, or for none.
            await self._listed.wait()
            group.create_task(self._site_news.run(), name="site news")
            group.create_task(self._sweeper.run(), name="sweep")

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
            self._take(pod, group, predates_us=not self._listed.is_set())
        self._listed.set()
        missing = [record for record in self._registry.present() if record.uid not in present]
        if not is_too_many(len(missing), len(self._registry)):
            for record in missing:
                record.missed()
            return
        hint = "is this the right cluster, and its etcd whole? Jobs are left alone; the sweep says what to do"
        log.error("too_many_pods_gone", gone=len(missing), known=len(self._registry), hint=hint)
        for record in missing:
            record.let_go()

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
        record = PodRecord(pod, predates_us=predates_us, outage_toleration=self._around.settings.outage_toleration_s)
        self._registry.add(record)
        self._site_news.introduce(record)
        group.create_task(self._work(record), name=f"pod {uid}")

    async def _work(self, record: PodRecord) -> None:
        await PodWorker(record, self._around).run()
        self._registry.drop(record)

    def _lose(self, pod: pods.Pod) -> None:
        record = self._registry.get(str(pods.metadata(pod).get("uid")))
        if record is not None:
            record.vanished()
