"""The Kubernetes API: exactly the verbs that a virtual node needs, on plain JSON.

kubernetes_asyncio reads the configuration, logs in and carries the requests; its typed models, which drop fields
they do not know, are not used. The only module that knows that library.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from kubernetes_asyncio.client import ApiClient

from dte.interlink import pods
from dte.interlink.virtual_kubelet import metrics
from dte.interlink.virtual_kubelet.ports import Expired, KubeObject, PodChange, PodList
from dte.interlink.virtual_kubelet.projected import TokenWish
from dte.interlink.virtual_kubelet.sources import Reference
from dte.interlink.virtual_kubelet.volumes import without_history
from dte.runtime.errors import BadOutput, Conflict, NotFound, Refused, Unavailable

POD_WRITES = 16
"""Requests at once that change pods or make events."""
CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 30.0
"""Time spent waiting for a free connection does not count: a burst of pods is no outage."""
LEASE_TIMEOUT_S = 8.0
"""For a whole request about the lease: one that is lost must leave time for another before the lease (40 s) is over."""
WATCH_SECONDS = (240, 480)
"""The server ends a watch after a random time in this range, so that the nodes of a cluster do not all come at once."""
WATCH_SILENCE_S = 150.0
"""Bookmarks come about once a minute; a watch silent for longer is a dead connection."""
MAX_LINE_BYTES = 8 << 20
"""etcd holds objects of at most 1.5 MiB; JSON may be a few times larger."""

JSON_TYPE = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

Query = list[tuple[str, str]]


class Cluster:
    """Promises: ports.PodStore, ObjectSource, EventSink and NodeStore."""

    def __init__(self, api: ApiClient, node_name: str) -> None:
        self._api = api
        self._node = node_name
        self._cluster_id = ""
        self.is_login_refused = False
        """The API server answered 401 since the last login."""
        self._watch: aiohttp.ClientResponse | None = None
        # Writes for pods stand in line, so that a thousand changes at once cost time and not memory. Those for the
        # node do not: its lease must never wait.
        self._pod_writes = asyncio.Semaphore(POD_WRITES)
        self._pods_query: Query = [("fieldSelector", f"spec.nodeName={node_name}")]

    # Pods

    async def list_pods(self) -> PodList:
        await self._check_cluster()
        answer = await self._call("GET", "/api/v1/pods", query=self._pods_query)
        version = str((answer.get("metadata") or {}).get("resourceVersion") or "")
        return PodList([without_history(pod) for pod in answer.get("items") or ()], version)

    async def watch_pods(self, resource_version: str) -> AsyncGenerator[PodChange, None]:
        await self._check_history(resource_version)
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311 - spreads load, guards nothing
        query = [
            *self._pods_query,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(seconds)),
        ]
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=WATCH_SILENCE_S)
        response = await self._send("GET", "/api/v1/pods", query=query, limits=limits)
        self._watch = response
        try:
            if response.status != 200:
                self._note_refusal(response.status)
                raise _error(response.status, await response.read(), "watch pods")
            async for line in _lines(response):
                yield _change(line)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"the watch of pods broke: {_words(error)}") from error
        finally:
            response.close()

    async def _check_history(self, resource_version: str) -> None:
        """Raises Expired when the cluster's history went back behind that version, as with a restored etcd.

        The server would take the watch all the same, and be silent until it has caught up: for days, perhaps.
        """
        answer = await self._call("GET", "/api/v1/pods", query=[*self._pods_query, ("limit", "1")])
        now = str((answer.get("metadata") or {}).get("resourceVersion") or "")
        if now.isdigit() and resource_version.isdigit() and int(now) < int(resource_version):
            raise Expired(f"the cluster is at version {now}, and was at {resource_version}: its store was restored")

    def renew_watch(self) -> None:
        """End the watch under way, so that it is made again from where it was.

        After an outage its connection may be dead without anybody having said so, and stay silent for minutes.
        """
        if self._watch is not None:
            self._watch.close()

    async def get_pod(self, namespace: str, name: str) -> KubeObject | None:
        return await self._get(_path(namespace, "pods", name))

    async def patch_pod_status(self, pod: pods.Pod, patch: KubeObject) -> KubeObject:
        path = _path(pods.namespace(pod), "pods", pods.name(pod)) + "/status"
        async with self._pod_writes:
            return without_history(await self._write("PATCH", path, patch, "pods/status", STRATEGIC))

    async def set_tolerations(self, pod: pods.Pod, tolerations: Sequence[KubeObject]) -> None:
        path = _path(pods.namespace(pod), "pods", pods.name(pod))
        patch = {"metadata": {"uid": pods.pod_uid(pod)}, "spec": {"tolerations": tolerations}}
        async with self._pod_writes:
            await self._write("PATCH", path, patch, "pods", MERGE)

    async def remove_pod(self, pod: pods.Pod) -> None:
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pods.pod_uid(pod)}}
        # Gone already is fine; perhaps its name is another pod's now.
        with contextlib.suppress(NotFound, Conflict):
            async with self._pod_writes:
                await self._write("DELETE", _path(pods.namespace(pod), "pods", pods.name(pod)), body, "pods")

    # What pods refer to

    async def get_object(self, reference: Reference, namespace: str) -> KubeObject | None:
        resource = {"ConfigMap": "configmaps", "Secret": "secrets"}[reference.kind]
        return await self._get(_path(namespace, resource, reference.name))

    async def request_token(self, pod: pods.Pod, wish: TokenWish) -> str:
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pods.name(pod), "uid": pods.pod_uid(pod)}
        spec: dict[str, Any] = {"expirationSeconds": wish.expiration_seconds, "boundObjectRef": bound}
        if wish.audience:
            spec["audiences"] = [wish.audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = _path(pods.namespace(pod), "serviceaccounts", pods.service_account(pod)) + "/token"
        # Not counted as a write: it leaves nothing in the cluster's store.
        answer = await self._call("POST", path, body=body)
        return str((answer.get("status") or {}).get("token") or "")

    # Events

    async def create_event(self, event: KubeObject) -> None:
        async with self._pod_writes:
            await self._write("POST", _path(pods.namespace(event), "events"), event, "events")

    async def patch_event(self, event: KubeObject, patch: KubeObject) -> None:
        path = _path(pods.namespace(event), "events", pods.name(event))
        async with self._pod_writes:
            await self._write("PATCH", path, patch, "events", MERGE)

    # The node

    async def get_node(self) -> KubeObject | None:
        return await self._get(f"/api/v1/nodes/{self._node}")

    async def create_node(self, node: KubeObject) -> KubeObject:
        return await self._write("POST", "/api/v1/nodes", node, "nodes")

    async def patch_node(self, patch: KubeObject) -> KubeObject:
        return await self._write("PATCH", f"/api/v1/nodes/{self._node}", patch, "nodes", MERGE)

    async def patch_node_status(self, patch: KubeObject) -> KubeObject:
        return await self._write("PATCH", f"/api/v1/nodes/{self._node}/status", patch, "nodes/status", STRATEGIC)

    async def get_lease(self) -> KubeObject | None:
        async with _soon():
            return await self._get(f"{LEASES}/{self._node}")

    async def create_lease(self, lease: KubeObject) -> KubeObject:
        async with _soon():
            return await self._write("POST", LEASES, lease, "leases")

    async def patch_lease(self, patch: KubeObject) -> KubeObject:
        async with _soon():
            return await self._write("PATCH", f"{LEASES}/{self._node}", patch, "leases", MERGE)

    async def cluster_id(self) -> str:
        """UID of namespace kube-system: stays the same for the cluster's life."""
        answer = await self._call("GET", "/api/v1/namespaces/kube-system")
        found = str((answer.get("metadata") or {}).get("uid") or "")
        self._cluster_id = self._cluster_id or found
        return found

    async def use(self, api: ApiClient) -> None:
        """Send requests with a new login from now on. Raises Unavailable when it does not lead to the same cluster."""
        candidate = Cluster(api, self._node)
        candidate._cluster_id = self._cluster_id
        await candidate._check_cluster()
        self._api = api
        self.is_login_refused = False
        self.renew_watch()

    async def is_allowed(self, attributes: KubeObject) -> bool:
        """Whether we may do what these resourceAttributes of a SelfSubjectAccessReview name."""
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = await self._call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=body)
        return bool((answer.get("status") or {}).get("allowed"))

    async def _check_cluster(self) -> None:
        """Raises Unavailable where another cluster answers than at first: what it lacks is not gone from ours."""
        found = await self.cluster_id()
        if found != self._cluster_id:
            raise Unavailable(
                f"another cluster answers: namespace kube-system has UID {found}, at the start it was"
                f" {self._cluster_id}; restart the virtual kubelet if the node shall move there"
            )

    # Transport

    async def _get(self, path: str) -> KubeObject | None:
        """None when there is no such object."""
        try:
            return await self._call("GET", path)
        except NotFound:
            return None

    async def _write(
        self, method: str, path: str, body: KubeObject, resource: str, content_type: str = JSON_TYPE
    ) -> KubeObject:
        metrics.API_WRITES.labels(method, resource).inc()
        return await self._call(method, path, body=body, content_type=content_type)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: KubeObject | None = None,
        query: Query | None = None,
        content_type: str = JSON_TYPE,
    ) -> Mapping[str, Any]:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=ANSWER_TIMEOUT_S)
        response = await self._send(method, path, query=query, limits=limits, body=body, content_type=content_type)
        what = f"{method} {path}"
        try:
            data = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{what}: the answer broke off: {_words(error)}") from error
        if response.status >= 400:
            self._note_refusal(response.status)
            raise _error(response.status, data, what)
        return _decoded(data, what)

    def _note_refusal(self, status: int) -> None:
        self.is_login_refused = self.is_login_refused or status == 401

    async def _send(
        self,
        method: str,
        path: str,
        *,
        limits: aiohttp.ClientTimeout,
        query: Query | None = None,
        body: KubeObject | None = None,
        content_type: str = JSON_TYPE,
    ) -> aiohttp.ClientResponse:
        try:
            response: aiohttp.ClientResponse = await self._api.call_api(
                path,
                method,
                query_params=query or [],
                header_params={"Accept": JSON_TYPE, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=limits,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the Kubernetes API does not answer ({method} {path}): {_words(error)}") from error
        return response


@contextlib.asynccontextmanager
async def _soon() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(LEASE_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise Unavailable(f"the Kubernetes API did not answer about the lease within {LEASE_TIMEOUT_S:g} s") from error


def _path(namespace: str, resource: str, name: str = "") -> str:
    base = f"/api/v1/namespaces/{quote(namespace, safe='')}/{resource}"
    return f"{base}/{quote(name, safe='')}" if name else base


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of a watch; aiohttp's own readline stops at its buffer's size."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        if len(rest) > MAX_LINE_BYTES:
            raise BadOutput(f"a line of the watch is longer than {MAX_LINE_BYTES} bytes")


def _change(line: bytes) -> PodChange:
    event = _decoded(line, "watch pods")
    kind, item = event.get("type"), event.get("object") or {}
    if kind == "ERROR":
        raise _error(int(item.get("code") or 500), line, "watch pods")
    if kind not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
        raise BadOutput(f"watch pods: unknown event type {kind!r}")
    version = str((item.get("metadata") or {}).get("resourceVersion") or "")
    return PodChange(kind, without_history(item), version)


def _decoded(data: bytes, what: str) -> Mapping[str, Any]:
    try:
        answer = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise Unavailable(f"{what}: the answer is not JSON: {data[:200]!r}") from error
    if not isinstance(answer, dict):
        raise Unavailable(f"{what}: the answer is not a JSON object: {data[:200]!r}")
    return answer


_ERRORS: Mapping[int, type[Exception]] = {
    404: NotFound,
    409: Conflict,
    410: Expired,
    # A right that is missing, or a token that ran out, is an operator's to mend and no pod's fault.
    401: Unavailable,
    403: Unavailable,
    408: Unavailable,
    429: Unavailable,
}


def _error(status: int, data: bytes, what: str) -> Exception:
    kind = _ERRORS.get(status, Refused if 400 <= status < 500 else Unavailable)
    return kind(f"{what}: the Kubernetes API answered {status}: {_message(data)}")


def _message(data: bytes) -> str:
    """The message of a metav1.Status, or the text as it came."""
    try:
        answer = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data[:500].decode(errors="replace")
    if isinstance(answer, dict):
        inner = answer.get("object") if isinstance(answer.get("object"), dict) else answer
        return str((inner or {}).get("message") or answer)[:2000]
    return str(answer)[:500]


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
