"""HTTP to the sidecar of one account. The only module that knows aiohttp's client and its errors."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

import aiohttp
import structlog
from prometheus_client import Counter

from dte.interlink.api.accounts import Account
from dte.runtime.address import UnixAddress
from dte.runtime.errors import Unavailable

log = structlog.get_logger()

ERRORS = Counter(
    "dte_interlink_api_plugin_errors_total",
    "Calls to a sidecar without a usable answer (unreachable, timeout, broken, output) or with an error (5xx)",
    ["account", "kind"],
)

CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 15.0
"""Shorter than any server's own (aiohttp: 75 s), so that a call does not meet a connection just being closed."""
MAX_ANSWER_BYTES = 64 << 20
"""A status answer of 10 000 pods is about 20 MB."""
MAX_LOGGED_BYTES = 2000
NOT_IMPLEMENTED = 501
"""A plugin's plain answer for what it does not have, no fault of it."""


@dataclass(frozen=True, slots=True)
class PluginAnswer:
    """A whole answer of a sidecar, whatever its status."""

    status: int
    body: bytes
    retry_after: str | None = None


class PluginClient:
    """Calls to one sidecar; each raises Unavailable when no answer comes, with a text for the pod's owner.

    An answer with an error status is an answer, not an exception. Safe for concurrent use.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._faults = _Faults(account)
        self._base, connector = _route_to(account)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, *, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> PluginAnswer:
        """Send `body`, wait for the whole answer."""
        with self._faults.translated(timeout_s):
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method, self._base + path, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                return await self._whole(response)

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, path: str, *, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> AsyncIterator["PluginAnswer | PluginStream"]:
        """Like `call`, but a 200 is given as soon as it begins; `timeout_s` is the time to that point."""
        async with contextlib.AsyncExitStack() as stack:
            with self._faults.translated(timeout_s):
                async with asyncio.timeout(timeout_s):
                    response = await stack.enter_async_context(
                        self._session.request(
                            method, self._base + path, data=body, headers=headers, allow_redirects=False
                        )
                    )
                    answer = None if response.status == 200 else await self._whole(response)
            yield PluginStream(response, self._faults) if answer is None else answer

    def misunderstood(self, error: Exception) -> None:
        """Count and log an answer that came, but is not what the contract says."""
        self._faults.record("output", str(error))

    async def _whole(self, response: aiohttp.ClientResponse) -> PluginAnswer:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise self._faults.unavailable("output", f"answered with more than {MAX_ANSWER_BYTES >> 20} MiB")
        if response.status >= 500 and response.status != NOT_IMPLEMENTED:
            self._faults.record("5xx", f"status {response.status}: {bytes(body[:MAX_LOGGED_BYTES])!r}")
        elif response.status == 200:
            self._faults.none()
        return PluginAnswer(response.status, bytes(body), response.headers.get("Retry-After"))


class PluginStream:
    """The body of a 200 while it arrives."""

    def __init__(self, response: aiohttp.ClientResponse, faults: "_Faults") -> None:
        self._response = response
        self._faults = faults

    @property
    def media_type(self) -> str:
        return self._response.content_type

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Bytes as they come, never empty; no time limit: a followed log may be silent for days.

        Raises Unavailable when the sidecar breaks off.
        """
        with self._faults.translated(timeout_s=0):
            async for chunk in self._response.content.iter_any():
                yield chunk


class _Faults:
    """Turns what goes wrong on the way to a sidecar into a count, a log line and Unavailable."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._last: str | None = None

    def none(self) -> None:
        """A good answer came: the next fault is news again."""
        self._last = None

    @contextlib.contextmanager
    def translated(self, timeout_s: float) -> Iterator[None]:
        try:
            yield
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise self.unavailable("unreachable", "cannot be reached", error) from error
        except TimeoutError as error:
            raise self.unavailable("timeout", f"did not answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self.unavailable("broken", "broke off its answer", error) from error

    def unavailable(self, kind: str, what: str, error: Exception | None = None) -> Unavailable:
        self.record(kind, what if error is None else f"{what}: {error}")
        return Unavailable(
            f"the sidecar of account {self._account.name} {what}; nothing is lost, try again. "
            "If it stays so tell the site's administrators"
        )

    def record(self, kind: str, error: str) -> None:
        # The address is for the administrators: it goes to the log and never to a caller.
        ERRORS.labels(self._account.name, kind).inc()
        level = logging.DEBUG if kind == self._last else logging.WARNING  # each fault once, not at each try
        self._last = kind
        log.log(
            level,
            "plugin_failed",
            account=self._account.name,
            address=str(self._account.address),
            kind=kind,
            error=error,
        )


def _route_to(account: Account) -> tuple[str, aiohttp.BaseConnector]:
    # No limit on connections: MaxRequests bounds them, and a followed log holds one for days.
    address = account.address
    if isinstance(address, UnixAddress):
        unix = aiohttp.UnixConnector(path=str(address.path), limit=0, keepalive_timeout=KEEPALIVE_S)
        return "http://sidecar", unix
    return f"http://{address}", aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
