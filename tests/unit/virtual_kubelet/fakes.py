"""Stand-ins for the promises in `ports`: a clock moved by hand, a cluster in memory, a site that does as told."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from dte.interlink import pods
from dte.interlink.virtual_kubelet.ports import (
    Expired,
    NoWatch,
    PingAnswer,
    PodChange,
    PodList,
    SiteUnavailable,
    StatusAnswer,
)
from dte.interlink.virtual_kubelet.projected import TokenWish
from dte.interlink.virtual_kubelet.sources import Reference
from dte.interlink.watch.hub import WatchHub, WatchReader
from dte.interlink.watch.lines import Line
from dte.interlink.wire import CreateAnswer, CreateRequest, LogRequest, Ping, PodStatus
from dte.runtime.errors import Conflict, NotFound

START = 1767261600.0
"""2026-01-01T10:00:00Z"""


class FakeClock:
    """Time stands still until a test advances it; what waits is woken in order."""

    def __init__(self) -> None:
        self.now = START
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - START

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody waits for time to pass."""
        return bool(self._sleepers)

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> None:
        alarm = asyncio.Event()
        if timeout_s is not None:
            self._sleepers.append((self.now + timeout_s, alarm))
        tasks = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(alarm.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            self._sleepers = [entry for entry in self._sleepers if entry[1] is not alarm]

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: every wait that ends in them ends, in order, and what it wakes runs."""
        until = self.now + seconds
        await settle()
        while due := sorted((entry for entry in self._sleepers if entry[0] <= until), key=lambda entry: entry[0]):
            self.now, alarm = due[0]
            alarm.set()
            await settle()
        self.now = until
        await settle()


async def settle() -> None:
    """Let everything that can run without time passing run."""
    for _ in range(60):
        await asyncio.sleep(0)


class FakeCluster:
    """An API server for pods, objects and events, with its preconditions; `writes` lists what was changed."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[str, Any]] = {}
        self.objects: dict[Reference, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.writes: list[str] = []
        self.tokens: list[TokenWish] = []
        self.lists = 0
        self.fail_with: Exception | None = None
        """Raised by every call while it is set."""
        self._queue: asyncio.Queue[PodChange | Exception | None] = asyncio.Queue()

    # What a user does

    def apply(self, pod: dict[str, Any]) -> None:
        kind = "MODIFIED" if pods.pod_uid(pod) in self.pods else "ADDED"
        self.pods[pods.pod_uid(pod)] = pod
        self._announce(kind, pod)

    def delete(self, uid: str, *, grace_s: int = 30) -> None:
        """As kubectl delete: an ended pod, or one deleted by force, is gone at once."""
        pod = self.pods[uid]
        if grace_s == 0 or pods.is_terminal(pod):
            del self.pods[uid]
            self._announce("DELETED", pod)
        else:
            meta = {"deletionTimestamp": "2026-01-01T10:00:00Z", "deletionGracePeriodSeconds": grace_s}
            self.apply({**pod, "metadata": {**pod["metadata"], **meta}})

    def break_watch(self, error: Exception | None) -> None:
        """None: the server ends it, as it does every few minutes."""
        self._queue.put_nowait(error)

    def _announce(self, kind: Any, pod: dict[str, Any]) -> None:
        self._queue.put_nowait(PodChange(kind, copy.deepcopy(pod), "2"))

    # PodStore, ObjectSource, EventSink

    async def list_pods(self) -> PodList:
        self._check()
        self.lists += 1
        while not self._queue.empty():
            self._queue.get_nowait()
        return PodList([copy.deepcopy(pod) for pod in self.pods.values()], "1")

    async def watch_pods(self, resource_version: str) -> AsyncGenerator[PodChange, None]:
        self._check()
        while (change := await self._queue.get()) is not None:
            if isinstance(change, Exception):
                raise change
            yield change

    async def get_pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        self._check()
        found = (pod for pod in self.pods.values() if (pods.namespace(pod), pods.name(pod)) == (namespace, name))
        return next(found, None)

    async def patch_pod_status(self, pod: pods.Pod, patch: Any) -> dict[str, Any]:
        self._check()
        there = await self.get_pod(pods.namespace(pod), pods.name(pod))
        if there is None:
            raise NotFound("no such pod")
        if pods.pod_uid(there) != patch["metadata"]["uid"]:
            raise Conflict("the UID differs")
        self.writes.append(f"status {patch['status'].get('phase')}")
        meta = {**there["metadata"]}
        meta["annotations"] = {**pods.annotations(there), **patch["metadata"].get("annotations", {})}
        after = {**there, "metadata": meta, "status": {**there["status"], **patch["status"]}}
        self.apply(after)
        return after

    async def set_tolerations(self, pod: pods.Pod, tolerations: Any) -> None:
        self._check()
        there = self.pods.get(pods.pod_uid(pod))
        if there is None:
            raise NotFound("no such pod")
        self.writes.append("tolerations")
        self.apply({**there, "spec": {**there["spec"], "tolerations": tolerations}})

    async def remove_pod(self, pod: pods.Pod) -> None:
        self._check()
        self.writes.append("remove")
        gone = self.pods.pop(pods.pod_uid(pod), None)
        if gone is not None:
            self._announce("DELETED", gone)

    async def get_object(self, reference: Reference, namespace: str) -> dict[str, Any] | None:
        self._check()
        return self.objects.get(reference)

    async def request_token(self, pod: pods.Pod, wish: TokenWish) -> str:
        self._check()
        self.tokens.append(wish)
        return f"token-{len(self.tokens)}"

    async def create_event(self, event: Any) -> None:
        self._check()
        self.writes.append(f"event {event['reason']}")
        self.events.append(dict(event))

    async def patch_event(self, event: Any, patch: Any) -> None:
        self._check()
        self.writes.append(f"event {event['reason']}")
        next(item for item in self.events if item["metadata"] == event["metadata"]).update(patch)

    def _check(self) -> None:
        if self.fail_with is not None:
            raise self.fail_with

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.events]


class FakeSite:
    """A site that keeps its promises: creates are idempotent, unknown pods are left out."""

    def __init__(self) -> None:
        self.statuses_by_uid: dict[str, PodStatus] = {}
        self.created: list[CreateRequest] = []
        self.deleted: list[str] = []
        self.rounds: list[list[str]] = []
        self.fail_with: list[Exception] = []
        """Raised by the next creates and deletes, one each."""
        self.is_down = False
        self.is_complete = True
        self.warnings: tuple[str, ...] = ()
        self.after_delete: PodStatus | None = None
        self.answer = PingAnswer(Ping(), "ok")
        self.hub: WatchHub | None = None
        """What its stream of changes tells; None for a site without one."""
        self.watches = 0
        self._break: asyncio.Future[None] | None = None

    def knows(self, status: PodStatus) -> None:
        self.statuses_by_uid[status.uid] = status

    async def create(self, request: CreateRequest) -> CreateAnswer:
        self._check()
        self.created.append(request)
        return CreateAnswer(pods.pod_uid(request.pod), "29", self.warnings)

    async def delete(self, pod: pods.Pod) -> None:
        self._check()
        uid = pods.pod_uid(pod)
        self.deleted.append(uid)
        if self.after_delete is not None:
            self.knows(self.after_delete)

    async def statuses(self, asked: Any) -> StatusAnswer:
        if self.is_down:
            raise SiteUnavailable("down")
        uids = [pods.pod_uid(pod) for pod in asked]
        self.rounds.append(uids)
        known = [self.statuses_by_uid[uid] for uid in uids if uid in self.statuses_by_uid]
        return StatusAnswer(known, self.is_complete)

    async def ping(self) -> PingAnswer:
        if self.is_down:
            raise SiteUnavailable("connection refused")
        return self.answer

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[Sequence[Line]]]:
        self.watches += 1
        if self.is_down:
            raise SiteUnavailable("down")
        if self.hub is None:
            raise NoWatch("HTTP 404")
        self._break = asyncio.get_running_loop().create_future()
        with self.hub.reader() as reader:
            yield self._lines(reader, self._break)

    async def _lines(self, reader: WatchReader, broken: asyncio.Future[None]) -> AsyncGenerator[Sequence[Line]]:
        while True:
            news = asyncio.ensure_future(reader.lines())
            try:
                await asyncio.wait([news, broken], return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            if broken.done():
                broken.result()
                return
            yield news.result()

    def break_watch(self, error: Exception | None = None) -> None:
        """End the stream of changes: with an error, or as a server does that restarts."""
        assert self._break is not None, "somebody watches"
        if error is None:
            self._break.set_result(None)
        else:
            self._break.set_exception(error)

    @contextlib.asynccontextmanager
    async def logs(self, request: LogRequest) -> AsyncIterator[AsyncIterator[bytes]]:
        async def nothing() -> AsyncIterator[bytes]:
            for _ in ():
                yield b""

        yield nothing()

    def _check(self) -> None:
        if self.is_down:
            raise SiteUnavailable("down")
        if self.fail_with:
            raise self.fail_with.pop(0)


class FakeNodes:
    """One node and one lease, with the API server's version check."""

    def __init__(self) -> None:
        self.node: dict[str, Any] | None = None
        self.lease: dict[str, Any] | None = None
        self.writes: list[str] = []
        self.fail_with: Exception | None = None
        """Raised by every call about the lease while it is set."""

    async def get_node(self) -> dict[str, Any] | None:
        return copy.deepcopy(self.node)

    async def create_node(self, node: Any) -> dict[str, Any]:
        self.writes.append("create node")
        self.node = copy.deepcopy({**node, "metadata": {**node["metadata"], "resourceVersion": "1", "uid": "node-uid"}})
        return copy.deepcopy(self.node)

    async def patch_node(self, patch: Any) -> dict[str, Any]:
        node = self._node()
        if patch["metadata"]["resourceVersion"] != node["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        self.writes.append("patch node")
        for key in ("labels", "annotations"):
            merged = {**node["metadata"].get(key, {}), **patch["metadata"][key]}
            node["metadata"][key] = {name: value for name, value in merged.items() if value is not None}
        node["spec"] = {**node["spec"], **patch["spec"]}
        return self._touched(node)

    async def patch_node_status(self, patch: Any) -> dict[str, Any]:
        node = self._node()
        self.writes.append("patch status")
        kept = {key: value for key, value in patch["status"].items() if value is not None}
        for key in ("capacity", "allocatable"):
            kept[key] = {name: amount for name, amount in kept[key].items() if amount is not None}
        node["status"] = {**node.get("status", {}), **kept}
        return self._touched(node)

    def _node(self) -> dict[str, Any]:
        if self.node is None:
            raise NotFound("no such node")
        return self.node

    def _touched(self, node: dict[str, Any]) -> dict[str, Any]:
        node["metadata"]["resourceVersion"] = str(int(node["metadata"]["resourceVersion"]) + 1)
        return copy.deepcopy(node)

    async def get_lease(self) -> dict[str, Any] | None:
        self._check()
        return copy.deepcopy(self.lease)

    async def create_lease(self, lease: Any) -> dict[str, Any]:
        self._check()
        if self.lease is not None:
            raise Conflict("the lease exists")
        self.writes.append("create lease")
        self.lease = copy.deepcopy({**lease, "metadata": {**lease["metadata"], "resourceVersion": "1"}})
        return copy.deepcopy(self.lease)

    async def patch_lease(self, patch: Any) -> dict[str, Any]:
        self._check()
        if self.lease is None:
            raise NotFound("no such lease")
        meta = self.lease["metadata"]
        if patch["metadata"]["resourceVersion"] != meta["resourceVersion"]:
            raise Conflict("the object has been modified")
        self.writes.append("renew lease")
        annotations = {**meta.get("annotations", {}), **patch["metadata"]["annotations"]}
        meta["annotations"] = {name: value for name, value in annotations.items() if value is not None}
        self.lease["spec"] = {**self.lease["spec"], **patch["spec"]}
        return self._touched(self.lease)

    def _check(self) -> None:
        if self.fail_with is not None:
            raise self.fail_with


GONE = Expired("too old resource version")
