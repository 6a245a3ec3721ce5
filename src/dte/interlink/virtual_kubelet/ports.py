"""What the controller and the node agent need from the outside, as promises; tests put fakes in their place."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dte.interlink.pods import Pod
from dte.interlink.virtual_kubelet.projected import TokenWish
from dte.interlink.virtual_kubelet.sources import Reference
from dte.interlink.watch.lines import Line
from dte.interlink.wire import CreateAnswer, CreateRequest, LogRequest, Ping, PodStatus
from dte.runtime.errors import Unavailable

KubeObject = Mapping[str, Any]


class Expired(Unavailable):
    """The API server no longer has the history that a watch asked for (410): list again."""


class SiteUnavailable(Unavailable):
    """The site, or the way to it, does not serve now; `retry_after_s` is its own wish."""


class NoWatch(Unavailable):
    """The site has no stream of changes; ask it instead."""


@dataclass(frozen=True, slots=True)
class PodList:
    """All pods of the node at one moment."""

    pods: Sequence[Pod]
    resource_version: str


@dataclass(frozen=True, slots=True)
class PodChange:
    """One line of a watch. A bookmark has only a resource version."""

    kind: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    pod: Pod
    resource_version: str


class PodStore(Protocol):
    """The pods of one node. All methods raise Unavailable for what may heal, Refused for what will not."""

    async def list_pods(self) -> PodList: ...

    def watch_pods(self, resource_version: str) -> AsyncGenerator[PodChange, None]:
        """Changes after `resource_version`; ends when the server closes the watch. Raises Expired on 410."""
        ...

    async def get_pod(self, namespace: str, name: str) -> Pod | None: ...

    async def patch_pod_status(self, pod: Pod, patch: KubeObject) -> Pod:
        """Raises NotFound when the pod is gone, Conflict when the name is another pod's now."""
        ...

    async def set_tolerations(self, pod: Pod, tolerations: Sequence[KubeObject]) -> None:
        """Replace the whole list. Raises as `patch_pod_status`; Refused when it would take one away."""
        ...

    async def remove_pod(self, pod: Pod) -> None:
        """Delete the object at once, if it still is that pod; one that is gone already is fine."""
        ...


class ObjectSource(Protocol):
    """What pods refer to."""

    async def get_object(self, reference: Reference, namespace: str) -> KubeObject | None: ...

    async def request_token(self, pod: Pod, wish: TokenWish) -> str:
        """A token bound to the pod. Raises NotFound when its service account does not exist."""
        ...


class EventSink(Protocol):
    """Events of the cluster."""

    async def create_event(self, event: KubeObject) -> None: ...

    async def patch_event(self, event: KubeObject, patch: KubeObject) -> None:
        """Raises NotFound when the event's time to live is over."""
        ...


class NodeStore(Protocol):
    """The node object and its lease."""

    async def get_node(self) -> KubeObject | None: ...

    async def create_node(self, node: KubeObject) -> KubeObject: ...

    async def patch_node(self, patch: KubeObject) -> KubeObject: ...

    async def patch_node_status(self, patch: KubeObject) -> KubeObject: ...

    async def get_lease(self) -> KubeObject | None: ...

    async def create_lease(self, lease: KubeObject) -> KubeObject:
        """Raises Conflict when there is one."""
        ...

    async def patch_lease(self, patch: KubeObject) -> KubeObject:
        """Raises NotFound when there is none, Conflict when it is not of the version that the patch names."""
        ...


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """The state of those of the asked pods that the site knows."""

    statuses: Sequence[PodStatus]
    is_complete: bool = True
    """False: a part of the site was silent, so that a pod which is missing here may yet be known."""


@dataclass(frozen=True, slots=True)
class PingAnswer:
    """A site that is there: what it says of itself, and its words."""

    ping: Ping
    text: str


class Site(Protocol):
    """The interLink API of one site. All methods may be called at any time, concurrently and repeatedly.

    They raise SiteUnavailable for "again" and Refused for "final", with the site's own words.
    """

    async def create(self, request: CreateRequest) -> CreateAnswer:
        """Queue the pod's job, or name the one there is."""
        ...

    async def delete(self, pod: Pod) -> None:
        """Stop the pod's job and forget it; unknown is fine."""
        ...

    async def statuses(self, pods: Sequence[Pod]) -> StatusAnswer: ...

    async def ping(self) -> PingAnswer: ...

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Line]]]:
        """The stream of changes: all pods of ours, synced, then what changes; closing the context ends it.

        Entering raises NoWatch where there is none. It ends when the site closes it, raises SiteUnavailable when it
        breaks or is silent, and Malformed for what is no such stream.
        """
        ...

    def logs(self, request: LogRequest) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes of a log as they come; closing the context ends the request."""
        ...
