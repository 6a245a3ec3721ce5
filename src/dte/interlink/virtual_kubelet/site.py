"""The interLink API of a site, over a unix socket or TLS. The only module that knows aiohttp's client errors."""

import contextlib
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from dte.interlink import pods, wire
from dte.interlink.virtual_kubelet.answers import error_of
from dte.interlink.virtual_kubelet.ports import NoWatch, PingAnswer, SiteUnavailable, StatusAnswer
from dte.interlink.virtual_kubelet.status_change import JOB_ID_ANNOTATION
from dte.interlink.watch.lines import Line
from dte.interlink.watch.reader import SILENCE_S, read_watch
from dte.runtime.address import Address, UnixAddress
from dte.runtime.errors import Malformed, NotFound, Unavailable

CONNECT_TIMEOUT_S = 10.0
CREATE_TIMEOUT_S = 120.0
"""A submit may wait for a slow controller; the site answers 503 itself before that."""
DELETE_TIMEOUT_S = 60.0
STATUS_TIMEOUT_S = 30.0
PING_TIMEOUT_S = 10.0
LOG_SILENCE_S = 3600.0
"""A followed log may be silent for long; a connection that died is noticed by TCP keep-alive."""
MAX_ANSWER_BYTES = 64 << 20
NO_WATCH = frozenset((404, 405, 501))
"""How an API without `GET /watch` answers it: upstream's, and ours of a release before it."""
UNLIMITED = 0
"""Connections: who calls us, and how often at once, is bounded by the callers; a followed log holds one for hours."""


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    headers: Mapping[str, str]
    """Looked up without regard to case."""


class InterlinkSite:
    """Promises: ports.Site."""

    def __init__(
        self,
        address: Address,
        *,
        node_name: str,
        ssl_context: ssl.SSLContext | None = None,
        token_file: Path | None = None,
    ) -> None:
        self.owner_id = ""
        """Set once the cluster's id is known, before the first request."""
        self._node_name = node_name
        self._token_file = token_file
        self._address = address
        self._ssl = ssl_context
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "InterlinkSite":
        connector: aiohttp.BaseConnector
        if isinstance(self._address, UnixAddress):
            connector = aiohttp.UnixConnector(str(self._address.path), limit=UNLIMITED)
            base = "http://localhost"
        else:
            connector = aiohttp.TCPConnector(limit=UNLIMITED, ssl=self._ssl or False)
            base = f"{'https' if self._ssl else 'http'}://{self._address}"
        self._session = aiohttp.ClientSession(base, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def create(self, request: wire.CreateRequest) -> wire.CreateAnswer:
        body = wire.encode_create_request(request)
        try:
            answered = await self._call("POST", "/create", "CreatePod", body, timeout_s=CREATE_TIMEOUT_S)
        except NotFound as error:
            raise SiteUnavailable(f"{error}; check InterlinkURL") from error
        with _understood("create"):
            answer = wire.decode_create_answer(answered.body)
        if answer.pod_uid != pods.pod_uid(request.pod):
            raise SiteUnavailable(f"the site answered a create with pod UID {answer.pod_uid!r}; asking again")
        return answer

    async def delete(self, pod: pods.Pod) -> None:
        body = wire.encode_json(slim_pod(pod))
        with contextlib.suppress(NotFound):
            await self._call("DELETE", "/delete", "DeletePod", body, timeout_s=DELETE_TIMEOUT_S)

    async def statuses(self, asked: Sequence[pods.Pod]) -> StatusAnswer:
        body = wire.encode_json([slim_pod(pod) for pod in asked])
        answer = await self._call("GET", "/status", "GetStatus", body, timeout_s=STATUS_TIMEOUT_S)
        with _understood("status"):
            return StatusAnswer(wire.decode_statuses(answer.body), wire.INCOMPLETE_HEADER not in answer.headers)

    async def ping(self) -> PingAnswer:
        answer = await self._call("POST", "/pinglink", "PingInterLink", b"", timeout_s=PING_TIMEOUT_S)
        return PingAnswer(wire.decode_ping(answer.body), answer.body.decode(errors="replace").strip())

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[Sequence[Line]]]:
        # Reading waits as long as `read_watch` does; only the answer's head is waited for here.
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S)
        with _translated("watch"):
            async with self._request("GET", "/watch", "Watch", b"", timeout) as response:
                if response.status in NO_WATCH:
                    raise NoWatch(f"the site has no stream of changes (HTTP {response.status})")
                if response.status != 200:
                    retry_after = response.headers.get("Retry-After")
                    raise error_of(response.status, await _bounded(response), what="watch", retry_after=retry_after)
                async with contextlib.aclosing(_lines(response)) as lines:
                    yield lines

    @contextlib.asynccontextmanager
    async def logs(self, request: wire.LogRequest) -> AsyncIterator[AsyncIterator[bytes]]:
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S, sock_read=LOG_SILENCE_S)
        body = wire.encode_log_request(request)
        with _translated("getLogs"):
            async with self._request("GET", "/getLogs", "GetLogs", body, timeout) as response:
                if response.status != 200:
                    raise error_of(response.status, await _bounded(response), what="getLogs")
                yield _chunks(response, "getLogs")

    async def _call(self, method: str, path: str, session: str, body: bytes, *, timeout_s: float) -> _Answer:
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_TIMEOUT_S)
        what = path.strip("/")
        with _translated(what):
            async with self._request(method, path, session, body, timeout) as response:
                data = await _bounded(response)
                if response.status // 100 == 2:
                    return _Answer(data, response.headers)
                retry_after = response.headers.get("Retry-After")
                raise error_of(response.status, data, what=what, retry_after=retry_after)

    def _request(
        self, method: str, path: str, session: str, body: bytes, timeout: aiohttp.ClientTimeout
    ) -> "aiohttp.client._RequestContextManager":
        assert self._session is not None, "used inside its async with"
        headers = {"Content-Type": "application/json", **self._headers(session)}
        return self._session.request(method, path, data=body, headers=headers, timeout=timeout)

    def _headers(self, session: str) -> dict[str, str]:
        number = random.randrange(1 << 32)  # noqa: S311 - a name for log lines
        headers = {
            wire.SESSION_HEADER: f"{session}#{number}",
            wire.OWNER_HEADER: self.owner_id,
            wire.NODE_HEADER: self._node_name,
        }
        if self._token_file is not None:
            headers["Authorization"] = f"Bearer {_token(self._token_file)}"
        return headers


def slim_pod(pod: pods.Pod) -> dict[str, object]:
    """What status and delete need of a pod; the whole, every few seconds for every pod, would be megabytes."""
    meta = pods.metadata(pod)
    slim_meta = {key: meta[key] for key in ("name", "namespace", "uid") if key in meta}
    if job_id := pods.annotations(pod).get(JOB_ID_ANNOTATION):
        slim_meta["annotations"] = {JOB_ID_ANNOTATION: job_id}
    return {
        "metadata": slim_meta,
        "spec": {
            "nodeName": pods.node_name(pod),
            "serviceAccountName": pods.service_account(pod),
            "initContainers": [_slim_container(item) for item in pods.init_containers(pod)],
            "containers": [_slim_container(item) for item in pods.containers(pod)],
        },
        "status": {"phase": pods.phase(pod)},
    }


def _slim_container(container: pods.Container) -> dict[str, object]:
    return {"name": container.get("name"), "image": container.get("image")}


def _token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SiteUnavailable(f"VKTokenFile {path} cannot be read: {error}") from error


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[Sequence[Line]]:
    try:
        async for lines in read_watch(_chunks(response, "watch")):
            yield lines
    except SiteUnavailable:
        raise
    except Unavailable as error:
        raise SiteUnavailable(str(error)) from error


async def _chunks(response: aiohttp.ClientResponse, what: str) -> AsyncIterator[bytes]:
    with _translated(what):
        async for chunk in response.content.iter_any():
            yield chunk


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > MAX_ANSWER_BYTES:
            raise SiteUnavailable(f"the site's answer is larger than {MAX_ANSWER_BYTES} bytes")
    return bytes(data)


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        words = str(error) or type(error).__name__
        raise SiteUnavailable(f"{what}: the site does not answer: {words}") from error


@contextlib.contextmanager
def _understood(what: str) -> Iterator[None]:
    """An answer that cannot be read is a fault of the other side, never of the pod."""
    try:
        yield
    except Malformed as error:
        raise SiteUnavailable(f"{what}: the site's answer is not understood: {error}") from error
