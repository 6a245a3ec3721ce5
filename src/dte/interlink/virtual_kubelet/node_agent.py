"""Keeps the Node object true: registers it, pings the site, renews the lease."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from dte.interlink import pods
from dte.interlink.virtual_kubelet import metrics, node, taints
from dte.interlink.virtual_kubelet.amounts import same_amounts
from dte.interlink.virtual_kubelet.conditions import same_conditions
from dte.interlink.virtual_kubelet.downward import Place
from dte.interlink.virtual_kubelet.events import EventRecorder
from dte.interlink.virtual_kubelet.lease import HeldByAnother, NodeLease
from dte.interlink.virtual_kubelet.notes import Note
from dte.interlink.virtual_kubelet.ports import KubeObject, NodeStore, Site
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.interlink.virtual_kubelet.sweep import SweepHold, held_text
from dte.interlink.virtual_kubelet.times import Clock, kube_time
from dte.interlink.wire import Ping
from dte.runtime.errors import Conflict, Refused, Unavailable

log = structlog.get_logger()

STATUS_PERIOD_S = 60.0
"""An unchanged status is written again this often; between, the lease says that we live."""
LEASE_RENEWALS = 4
"""Renewals within the lease's duration."""
RETRY_S = 2.0
RELEASE_TIMEOUT_S = 2.0
CONFLICT_TRIES = 3


class NodeAgent:
    """The node as the cluster should see it; all requests of one node are made one after the other."""

    def __init__(
        self,
        store: NodeStore,
        site: Site,
        events: EventRecorder,
        clock: Clock,
        settings: VirtualKubeletSettings,
        version: str,
        lease: NodeLease,
        hold: SweepHold | None = None,
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        """`recovered` is called when the cluster answers again after it did not."""
        self._store = store
        self._site = site
        self._events = events
        self._clock = clock
        self._settings = settings
        self._version = version
        self._hold = hold or SweepHold()
        self._connectivity: node.Connectivity | None = None
        self._capacity: node.Capacity = node.configured_capacity(settings.resources)
        self._site_taints: Sequence[Mapping[str, str]] = ()
        self._shown: KubeObject = {}
        """The node as the cluster last showed it to us."""
        self._status_written_at = 0.0
        self._lease = lease
        self._recovered = recovered
        self.is_registered = False

    def place(self) -> Place:
        """Addresses and allocatable resources for the pods of the node."""
        settings = self._settings
        return Place(settings.internal_ip, settings.offloaded_pod_ip, self._capacity)

    async def register(self) -> None:
        """Create the node, or take over the one that an earlier run left.

        Raises HeldByAnother while another process keeps it, Unavailable, Refused. The site is asked first, so that
        the node is complete from its first moment.
        """
        await self._acquire()
        await self.ping()
        found = await self._store.get_node()
        if not self._is_up():
            self._capacity = node.kept_capacity(found, self._capacity)
        if found is None:
            await self._create()
        await self.update()
        self.is_registered = True
        log.info("node_registered", node=self._settings.node_name, was_there=found is not None)

    async def _acquire(self) -> None:
        try:
            await self._lease.acquire()
        except HeldByAnother as error:
            note = Note("NodeHeldByAnother", f"{socket.gethostname()} pid {os.getpid()}: {error}")
            await self._events.record(self._node_reference(), note, kind="Node")
            raise

    async def _create(self) -> KubeObject:
        ours = taints.configured_taints(self._settings)
        return await self._store.create_node(node.node_object(self._settings, ours))

    async def run(self) -> None:
        """Until it is cancelled; the lease is then free for the next process. Raises TakenOver."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ping_forever(), name="ping")
                group.create_task(self._renew_forever(), name="lease")
        finally:
            await self._give_back()

    async def _give_back(self) -> None:
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT_S):
                await self._lease.release()
        except (TimeoutError, Unavailable, Refused) as error:
            log.info("lease_not_given_back", error=str(error), hint="the next start looks whether this process lives")

    # The site

    async def _ping_forever(self) -> None:
        while True:
            await self._clock.wait(asyncio.Event(), self._settings.ping_interval_s)
            await self.ping()
            try:
                await self.update()
            except (Unavailable, Refused) as error:
                log.warning("node_not_written", error=str(error), retry_in_s=self._settings.ping_interval_s)

    async def ping(self) -> None:
        """Ask the site and take in what it says. A site that does not answer changes nothing but that."""
        try:
            answer = await self._site.ping()
        except (Unavailable, Refused) as error:
            metrics.PINGS.labels("failed").inc()
            await self._set_connectivity(node.Connectivity(False, str(error)))
            return
        metrics.PINGS.labels("answered").inc()
        self._take(answer.ping)
        await self._set_connectivity(node.Connectivity(True, answer.text))

    def _take(self, ping: Ping) -> None:
        self._capacity = node.pinged_capacity(self._capacity, ping.resources)
        if ping.taints is not None:
            self._site_taints = taints.site_taints(ping.taints)

    async def _set_connectivity(self, now: node.Connectivity) -> None:
        before = self._connectivity
        self._connectivity = now
        was_up = before is None or before.is_up
        if was_up and not now.is_up:
            log.warning("site_unreachable", error=now.text)
            text = f"the site cannot be reached: {now.text}; pods keep the state last heard of"
            await self._events.record(self._node_reference(), Note("SiteUnreachable", text), kind="Node")
        if not was_up and now.is_up:
            log.info("site_back")
            note = Note("SiteReachable", "the site answers again", "Normal")
            await self._events.record(self._node_reference(), note, kind="Node")

    def _node_reference(self) -> KubeObject:
        return {"metadata": {"name": self._settings.node_name}}

    # The node object

    async def update(self) -> None:
        """Bring the node to what it should be; nothing is sent when nothing changed and it is not time yet."""
        for _ in range(CONFLICT_TRIES):
            try:
                await self._write()
                return
            except Conflict:
                continue  # somebody changed the node since we saw it: look again
        raise Unavailable(f"node {self._settings.node_name} changes faster than it can be written")

    async def _write(self) -> None:
        found = await self._store.get_node()
        if found is None:
            log.warning("node_missing", hint="somebody deleted the node; it is created again")
            self._lease.forget()
        self._shown = found or await self._create()
        await self._write_status()
        await self._write_metadata()

    async def _write_metadata(self) -> None:
        patch = self._metadata_patch()
        if patch is not None:
            self._shown = await self._store.patch_node(patch)

    def _metadata_patch(self) -> KubeObject | None:
        """None when labels, annotations and taints are right. Bound to the version seen: taints are one list."""
        ours = self._taints()
        annotations: dict[str, str | None] = {
            taints.MANAGED_ANNOTATION: taints.encode_managed(ours),
            node.PING_ANNOTATION: self._connectivity.shown_text() if self._is_up() and self._connectivity else "",
        }
        shown_annotations = pods.annotations(self._shown)
        if taints.RELEASE_ANNOTATION in shown_annotations:
            self._release(shown_annotations[taints.RELEASE_ANNOTATION])
            annotations[taints.RELEASE_ANNOTATION] = None
        present = (pods.spec(self._shown).get("taints")) or []
        managed = taints.decode_managed(pods.annotations(self._shown).get(taints.MANAGED_ANNOTATION))
        wanted = taints.merged_taints(present, managed, ours)
        labels = node.labels(self._settings)
        is_right = (
            wanted == present
            and labels.items() <= pods.labels(self._shown).items()
            and annotations.items() <= pods.annotations(self._shown).items()
        )
        if is_right:
            return None
        version = pods.metadata(self._shown).get("resourceVersion")
        metadata: dict[str, Any] = {"labels": labels, "annotations": annotations, "resourceVersion": version}
        return {"metadata": metadata, "spec": {"taints": wanted}}

    def _release(self, text: str) -> None:
        """An administrator's word on a held sweep; it holds for what is held now and for nothing later."""
        if self._hold.orphans and text.isascii() and text.isdigit():
            self._hold.released = int(text)
            log.warning("sweep_released", orphans=self._hold.orphans, released=self._hold.released)
        else:
            log.warning("release_ignored", value=text, hint="nothing is held back, or it is not a number")

    def _held_text(self) -> str:
        hold = self._hold
        return held_text(hold.orphans, hold.jobs, self._settings.node_name) if hold.orphans else ""

    def _taints(self) -> list[Mapping[str, str]]:
        ours = [*taints.configured_taints(self._settings), *self._site_taints]
        return ours if self._is_up() else [*ours, taints.unreachable_taint()]

    def _is_up(self) -> bool:
        return self._connectivity is None or self._connectivity.is_up

    async def _write_status(self) -> None:
        now = self._clock.time()
        before = pods.status(self._shown)
        status = node.node_status(
            self._settings,
            before,
            capacity=self._capacity,
            connectivity=self._connectivity,
            now=kube_time(now),
            version=self._version,
            held_text=self._held_text(),
        )
        if _is_shown(before, status) and now - self._status_written_at < STATUS_PERIOD_S:
            return
        self._shown = await self._store.patch_node_status({"status": node.with_heartbeats(status, kube_time(now))})
        self._status_written_at = now

    # The lease

    async def _renew_forever(self) -> None:
        failures = 0
        while True:
            delay_s = self._settings.lease_duration_s / LEASE_RENEWALS
            try:
                await self._lease.renew(self._shown)
            except (Unavailable, Refused) as error:
                delay_s = RETRY_S
                failures += 1
                log.warning("lease_not_renewed", error=str(error), retry_in_s=delay_s)
            else:
                if failures:
                    self._recovered()
                failures = 0
            await self._clock.wait(asyncio.Event(), delay_s)


def _is_shown(before: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    return (
        same_conditions(before.get("conditions") or (), status["conditions"])
        and all(before.get(key) == status[key] for key in ("addresses", "daemonEndpoints"))
        and all(same_amounts(before.get(key) or {}, status[key]) for key in ("capacity", "allocatable"))
    )
