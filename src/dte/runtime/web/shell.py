"""The shell around every ASGI service: request ids, one log line each, bounds, errors as answers."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.responses import JSONResponse, Response

from dte.runtime.requests import RETRY_AFTER_S, count_request, request_id_from

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
ErrorAnswer = Callable[[Scope, int, str], Response]
"""Makes the answer for an error in the shape of the component's contract."""

REQUEST_ID_HEADER = b"x-request-id"
MAX_HEADER_BYTES = 32 << 10
"""All header lines together; a bearer token may have 16 KiB."""
MAX_TARGET_BYTES = 16 << 10
"""Path and query: an issuer of 2048 characters, percent-encoded twice, has 10 KiB."""


INTERNAL_ERROR = "internal error; the log has the details under this answer's X-Request-Id"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, and all at once, may cost."""

    body_bytes: int = 64 << 10
    requests: int = 256
    """Served at once; one more is told to come again."""
    seconds: float = 30.0
    """For the whole answer; nothing here streams."""


class TooLarge(Exception):
    """The body of a request has more bytes than allowed; the application answers 413 with its text."""


def detail(_: Scope, status: int, text: str) -> Response:
    """FastAPI's own shape of an error."""
    return JSONResponse({"detail": text}, status)


def complete(answer: Response) -> Response:
    """An error's answer with the headers that its status asks for."""
    if answer.status_code in (429, 503):
        answer.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return answer


def in_shell(app: AsgiApp, *, limits: Limits = Limits(), error_answer: ErrorAnswer = detail) -> AsgiApp:
    """`app`, made by `new_app`, in our shell. Its requests' state has `request_id`, `client_address` and `facts`.

    The log line names the route's pattern and neither path nor query: both may hold keys, codes and people's names.
    What a handler puts into the mapping `facts` joins the line.
    """
    places = asyncio.Semaphore(limits.requests)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise AssertionError(f"the server sends only HTTP, not {scope['type']}")
        exchange = _Exchange(scope, receive, send, limits.body_bytes)
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id), exchange.told():
            await _answered(app, exchange, places, limits, error_answer)

    return answer


async def _answered(
    app: AsgiApp, exchange: "_Exchange", places: asyncio.Semaphore, limits: Limits, error_answer: ErrorAnswer
) -> None:
    async def refuse(status: int, text: str) -> None:
        if exchange.has_begun:  # too late for another answer: the server closes the connection
            return
        response = complete(error_answer(exchange.scope, status, text))
        await response(exchange.scope, exchange.receive, exchange.send)

    if (problem := exchange.problem()) is not None:
        return await refuse(*problem)
    if places.locked():
        return await refuse(503, "too many requests at once; try again")
    try:
        async with places, asyncio.timeout(limits.seconds):
            await app(exchange.scope, exchange.receive, exchange.send)
    except TimeoutError:
        log.warning("request_timed_out", limit_s=limits.seconds)
        await refuse(503, "the answer took too long; try again")
    except Exception as error:
        log.exception("request_failed", error=str(error))
        await refuse(500, INTERNAL_ERROR)


class _Exchange:
    """One request and its answer: counts the body, stamps the id, remembers the status."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, body_bytes: int) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._body_bytes = body_bytes
        self._seen_bytes = 0
        self.status = 0
        self.request_id = request_id_from(header(scope, REQUEST_ID_HEADER))
        self._facts: dict[str, Any] = {}
        scope.setdefault("state", {}).update(
            request_id=self.request_id, client_address=client_address(scope), facts=self._facts
        )

    @property
    def has_begun(self) -> bool:
        return self.status != 0

    def problem(self) -> tuple[int, str] | None:
        """Status and text when the request is refused unread."""
        headers: Iterable[tuple[bytes, bytes]] = self.scope["headers"]
        if sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
            return 431, f"the headers are larger than {MAX_HEADER_BYTES} bytes"
        if len(self.scope.get("raw_path") or b"") + len(self.scope["query_string"]) > MAX_TARGET_BYTES:
            return 414, f"the address is larger than {MAX_TARGET_BYTES} bytes"
        length = header(self.scope, b"content-length")
        if length.isdecimal() and int(length) > self._body_bytes:
            return 413, f"the body is larger than {self._body_bytes} bytes"
        return None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen_bytes += len(message.get("body", b""))
            if self._seen_bytes > self._body_bytes:
                raise TooLarge(f"the body is larger than {self._body_bytes} bytes")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            stamp = (REQUEST_ID_HEADER, self.request_id.encode("latin-1", "replace"))
            message = {**message, "headers": [*message.get("headers", ()), stamp]}
        await self._send(message)

    @contextlib.contextmanager
    def told(self) -> Any:
        """One log line and one count when the block ends."""
        start = time.monotonic()
        cancelled = False
        try:
            yield
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            seconds = time.monotonic() - start
            status = self.status or (499 if cancelled else 500)
            route = route_of(self.scope)
            count_request(route, self.scope["method"], status, seconds)
            log.info(
                "request",
                method=self.scope["method"],
                route=route,
                status=status,
                client=self.scope["state"]["client_address"],
                ms=round(seconds * 1000, 1),
                **self._facts,
            )


def header(scope: Scope, name: bytes) -> str:
    """The first header of that name (in lower case); empty when there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def route_of(scope: Scope) -> str:
    """The pattern of the route that took the request."""
    return getattr(scope.get("route"), "path", "unknown")


def client_address(scope: Scope) -> str:
    """Who asks. What a proxy says is believed only from a unix socket or loopback, and only its last word.

    A proxy appends the address that it saw (nginx: $proxy_add_x_forwarded_for); what stands before is the client's.
    """
    peer = scope.get("client")
    host = peer[0] if peer else ""
    if host and host not in ("127.0.0.1", "::1"):
        return str(host)
    forwarded = [value for key, value in scope["headers"] if key == b"x-forwarded-for"]
    last = forwarded[-1].decode("latin-1").rpartition(",")[2].strip() if forwarded else ""
    return last if last.isprintable() and 0 < len(last) <= 45 else host or "local"
