"""Puts the virtual kubelet together and gives it to the runtime."""

import asyncio
import contextlib
import importlib.metadata

import structlog

from dte.interlink.virtual_kubelet.cluster import Cluster
from dte.interlink.virtual_kubelet.controller import Controller
from dte.interlink.virtual_kubelet.events import EventRecorder
from dte.interlink.virtual_kubelet.kubelet import kubelet_application
from dte.interlink.virtual_kubelet.lease import NodeLease
from dte.interlink.virtual_kubelet.login import api_client, follow_kubeconfig
from dte.interlink.virtual_kubelet.node_agent import NodeAgent
from dte.interlink.virtual_kubelet.pod_watch import PodWatch
from dte.interlink.virtual_kubelet.registry import PodRegistry
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.interlink.virtual_kubelet.site import InterlinkSite
from dte.interlink.virtual_kubelet.sweep import SweepHold
from dte.interlink.virtual_kubelet.times import Clock, SystemClock
from dte.interlink.virtual_kubelet.worker import Surroundings
from dte.runtime.backoff import Backoff
from dte.runtime.errors import Refused, Unavailable
from dte.runtime.process_identity import is_alive, this_process_or_unknown
from dte.runtime.service import Daemon, Listener, serve
from dte.runtime.tls import client_context, server_context, watch_certificates

log = structlog.get_logger()

STALE_S = 60.0
"""A watch broken for longer makes the daemon not ready: what it knows of the cluster is old."""
START = Backoff(max_s=15.0)


class VirtualKubelet:
    """The parts of one virtual node."""

    def __init__(self, cluster: Cluster, site: InterlinkSite, settings: VirtualKubeletSettings, clock: Clock) -> None:
        self._cluster = cluster
        self._site = site
        self._settings = settings
        self._clock = clock
        self.registry = PodRegistry()
        self._why_not = "the cluster has not answered yet"
        events = EventRecorder(cluster, settings.node_name, clock.time)
        version = f"v{importlib.metadata.version('intertwin-dte')}"
        hold = SweepHold()
        me = this_process_or_unknown()
        lease = NodeLease(
            cluster,
            clock,
            node_name=settings.node_name,
            duration_s=settings.lease_duration_s,
            me=me,
            alive=lambda other: is_alive(other, me),
        )
        self._agent = NodeAgent(
            cluster, site, events, clock, settings, version, lease, hold, recovered=cluster.renew_watch
        )
        self._watch = PodWatch(cluster, clock)
        around = Surroundings(
            pods=cluster,
            objects=cluster,
            site=site,
            events=events,
            clock=clock,
            settings=settings,
            place=self._agent.place,
            creates=asyncio.Semaphore(settings.create_concurrency),
            ends=asyncio.Semaphore(settings.create_concurrency),
            hold=hold,
        )
        self._controller = Controller(around, self.registry, self._watch)

    async def run(self) -> None:
        """Register, then keep node and pods until cancelled. A cluster that does not answer is waited for."""
        await self._register()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._agent.run(), name="node agent")
            group.create_task(self._controller.run(), name="controller")

    async def _register(self) -> None:
        failures = 0
        while True:
            try:
                self._site.owner_id = f"{await self._cluster.cluster_id()}/{self._settings.node_name}"
                await self._agent.register()
                return
            except (Unavailable, Refused) as error:
                failures += 1
                self._why_not = str(error)
                delay_s = START.delay_s(failures, 0.0)
                log.warning("not_registered", error=str(error), retry_in_s=delay_s)
                await self._clock.wait(asyncio.Event(), delay_s)

    def readiness(self) -> str | None:
        """None when node and pods are kept; else why not."""
        if not self._agent.is_registered:
            return f"the node is not registered yet: {self._why_not}"
        broken = self._watch.broken_since
        if broken is not None and self._clock.time() - broken > STALE_S:
            return f"the watch of pods is broken for {self._clock.time() - broken:.0f} s"
        return None


async def run(settings: VirtualKubeletSettings) -> None:
    """Serve until SIGTERM. Raises ConfigError for files and addresses that cannot be used."""
    kubelet_context = server_context(settings.kubelet_tls)
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_client(settings.kubeconfig_file))
        interlink_tls = settings.interlink_tls
        interlink_context = client_context(interlink_tls) if interlink_tls is not None else None
        site = await stack.enter_async_context(
            InterlinkSite(
                settings.interlink_address,
                node_name=settings.node_name,
                ssl_context=interlink_context,
                token_file=settings.token_file,
            )
        )
        cluster = Cluster(api, settings.node_name)
        kubelet = VirtualKubelet(cluster, site, settings, clock)
        background = {
            "virtual node": kubelet.run,
            "kubelet certificates": lambda: watch_certificates(kubelet_context, settings.kubelet_tls),
        }
        if (kubeconfig := settings.kubeconfig_file) is not None:
            background["kubeconfig"] = lambda: follow_kubeconfig(cluster, kubeconfig, clock)
        if interlink_context is not None and interlink_tls is not None:
            background["interLink certificates"] = lambda: watch_certificates(interlink_context, interlink_tls)
        app = kubelet_application(kubelet.registry, site, clock)
        await serve(
            Daemon(
                name="virtual-kubelet",
                listeners=[Listener(app, settings.kubelet_address, kubelet_context)],
                admin=settings.admin,
                background=background,
                readiness=kubelet.readiness,
            )
        )
