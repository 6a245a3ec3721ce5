"""Events of the cluster: each fact once, repeated ones counted, never a flood."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from dte.interlink import pods
from dte.interlink.virtual_kubelet.notes import Note
from dte.interlink.virtual_kubelet.ports import EventSink, KubeObject
from dte.interlink.virtual_kubelet.times import kube_time
from dte.runtime.errors import NotFound, Refused, Unavailable

log = structlog.get_logger()

REPEAT_INTERVAL_S = 300.0
"""A fact that keeps being true is written again at most this often."""
MAX_MESSAGE = 1024
"""Characters that the API server accepts in an event's message (API reference, Event)."""

COMPONENT = "virtual-kubelet"


@dataclass(slots=True)
class _Seen:
    """An event in the cluster and how often its fact has come up."""

    event: KubeObject
    message: str
    count: int
    written_at: float


class EventRecorder:
    """Writes notes as events. An event that cannot be written is logged and dropped: no pod waits for it."""

    def __init__(self, sink: EventSink, node_name: str, time: Callable[[], float]) -> None:
        self._sink = sink
        self._node = node_name
        self._time = time
        self._seen: dict[str, dict[str, _Seen]] = {}
        """By object and reason."""

    async def record(self, about: KubeObject, note: Note, *, kind: str = "Pod") -> int:
        """Make an event of `note`, or count it up; returns how many requests that took."""
        seen = self._seen.get(_key(about), {}).get(note.reason)
        try:
            if seen is None:
                await self._create(about, note, kind)
                return 1
            return await self._repeat(seen, about, note, kind)
        except (Unavailable, Refused) as error:
            log.warning("event_not_written", reason=note.reason, message=note.message, error=str(error))
            return 1

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._seen.pop(uid, None)

    async def _create(self, about: KubeObject, note: Note, kind: str) -> None:
        now = self._time()
        event = event_object(about, note, kind=kind, node_name=self._node, now=kube_time(now))
        # Remembered first: when the answer is lost, a repetition is a smaller evil than a flood.
        self._seen.setdefault(_key(about), {})[note.reason] = _Seen(event, note.message, 1, now)
        await self._sink.create_event(event)

    async def _repeat(self, seen: _Seen, about: KubeObject, note: Note, kind: str) -> int:
        seen.count += 1
        now = self._time()
        if now - seen.written_at < REPEAT_INTERVAL_S:
            return 0
        seen.written_at = now
        patch = {"count": seen.count, "lastTimestamp": kube_time(now), "message": note.message[:MAX_MESSAGE]}
        try:
            await self._sink.patch_event(seen.event, patch)
        except NotFound:  # its time to live is over
            await self._create(about, note, kind)
            return 2
        return 1


def _key(about: KubeObject) -> str:
    return str(pods.metadata(about).get("uid") or pods.name(about))


def event_object(about: KubeObject, note: Note, *, kind: str, node_name: str, now: str) -> Mapping[str, Any]:
    """A v1.Event. Events about a node live in namespace default, with the node's name as UID, as kubectl expects."""
    namespace = pods.namespace(about) or "default"
    involved = {
        "kind": kind,
        "apiVersion": "v1",
        "name": pods.name(about),
        "uid": pods.metadata(about).get("uid") if kind == "Pod" else pods.name(about),
    }
    if kind == "Pod":
        involved |= {"namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{pods.name(about)}.{secrets.token_hex(8)}", "namespace": namespace},
        "involvedObject": involved,
        "reason": note.reason,
        "message": note.message[:MAX_MESSAGE],
        "type": note.type,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": COMPONENT, "host": node_name},
    }
