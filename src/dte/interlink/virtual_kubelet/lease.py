"""The node's lease: says that the node lives, and that one process alone keeps it.

Who keeps it is an annotation; holderIdentity is the node's name, as a kubelet writes it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from dte.interlink import pods
from dte.interlink.virtual_kubelet.ports import KubeObject, NodeStore
from dte.interlink.virtual_kubelet.times import Clock, kube_micro_time
from dte.runtime.errors import Conflict, DteError, NotFound, Unavailable
from dte.runtime.process_identity import ProcessIdentity

log = structlog.get_logger()

HOLDER_ANNOTATION = "virtual-node.interlink/holder"

Alive = Callable[[ProcessIdentity], bool | None]
"""Whether a process runs; None when that cannot be known from here."""


class HeldByAnother(Unavailable):
    """Another process keeps this node; we wait until it does no longer."""


class TakenOver(DteError):
    """Another process keeps this node since ours could not renew: this one must end."""


class NodeLease:
    """One process at a time. A holder that is known dead is replaced at once, one that cannot be asked after its
    lease stood still for its whole duration, by our own clock: the times of two hosts are never compared.
    """

    def __init__(
        self, store: NodeStore, clock: Clock, *, node_name: str, duration_s: int, me: ProcessIdentity, alive: Alive
    ) -> None:
        self._store = store
        self._clock = clock
        self._node_name = node_name
        self._duration_s = duration_s
        self._me = me
        self._alive = alive
        self._lease: KubeObject | None = None
        self._displaced: ProcessIdentity | None = None
        """The holder before us, gone as far as we could see."""
        self._still: tuple[object, float] | None = None
        """The renewal last seen of another holder, and when we saw it first (monotonic seconds)."""

    async def acquire(self) -> None:
        """Return when this process may keep the node. Raises HeldByAnother, and what the store raises."""
        lease = await self._store.get_lease()
        holder = _holder(lease)
        if lease is not None and holder not in (None, self._me):
            assert holder is not None
            alive = self._alive(holder)
            if alive or (alive is None and not self._stands_still(lease)):
                raise HeldByAnother(
                    f"node {self._node_name} is kept by another virtual kubelet (host {holder.host}, pid {holder.pid});"
                    " this one waits: stop that one, or give this one another NodeName"
                )
            log.info("node_taken_over", host=holder.host, pid=holder.pid)
        self._lease, self._displaced = lease, holder

    def _stands_still(self, lease: KubeObject) -> bool:
        renewal, now = (lease.get("spec") or {}).get("renewTime"), self._clock.monotonic()
        if self._still is None or self._still[0] != renewal:
            self._still = renewal, now
        return now - self._still[1] > self._duration_s

    async def renew(self, node: KubeObject) -> None:
        """Say that the node lives; creates the lease when there is none. Raises TakenOver, Unavailable, Refused."""
        if self._lease is None:
            self._lease = await self._fetched()
        try:
            if self._lease is None:
                self._lease = await self._store.create_lease(self._new_lease(node))
            else:
                self._lease = await self._store.patch_lease(self._patch(self._lease, self._spec(), self._me))
        except (NotFound, Conflict) as error:
            # Deleted, or written by somebody since we saw it: look again, soon.
            self._lease = await self._fetched()
            raise Unavailable(f"the lease changed meanwhile: {error}") from error

    def forget(self) -> None:
        """The node was deleted, and its lease with it."""
        self._lease = None

    async def release(self) -> None:
        """Let another process keep the node at once."""
        if self._lease is not None:
            await self._store.patch_lease(self._patch(self._lease, {}, None))

    async def _fetched(self) -> KubeObject | None:
        lease = await self._store.get_lease()
        holder = _holder(lease)
        if holder not in (None, self._me, self._displaced):
            raise TakenOver(
                f"node {self._node_name} was taken over by {holder}, because this process could not renew its lease;"
                " one process keeps a node, so this one ends"
            )
        return lease

    def _patch(self, lease: KubeObject, spec: Mapping[str, Any], holder: ProcessIdentity | None) -> KubeObject:
        # With the version it is refused (409) when another process wrote the lease since we saw it.
        version = pods.metadata(lease).get("resourceVersion")
        annotations = {HOLDER_ANNOTATION: _encoded(holder) if holder is not None else None}
        return {"metadata": {"resourceVersion": version, "annotations": annotations}, "spec": spec}

    def _spec(self) -> Mapping[str, Any]:
        return {
            "holderIdentity": self._node_name,
            "leaseDurationSeconds": self._duration_s,
            "renewTime": kube_micro_time(self._clock.time()),
        }

    def _new_lease(self, node: KubeObject) -> KubeObject:
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._node_name, "uid": pods.metadata(node).get("uid")}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._node_name,
                "namespace": "kube-node-lease",
                "annotations": {HOLDER_ANNOTATION: _encoded(self._me)},
                # With the node the lease goes: an orphan would make a later node of that name look alive.
                "ownerReferences": [owner],
            },
            "spec": self._spec(),
        }


def _encoded(holder: ProcessIdentity) -> str:
    return msgspec.json.encode(holder).decode()


def _holder(lease: KubeObject | None) -> ProcessIdentity | None:
    """None without a lease, for one that was given back, and for one of a virtual kubelet that does not say."""
    text = pods.annotations(lease or {}).get(HOLDER_ANNOTATION)
    try:
        return msgspec.json.decode(text, type=ProcessIdentity) if text else None
    except msgspec.DecodeError:
        return None
