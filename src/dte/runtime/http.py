"""The shell around every aiohttp service: request ids, one log line each, bounds, errors as answers."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from math import ceil

import structlog
from aiohttp import web

from dte.runtime.errors import BadOutput, Refused, Unavailable
from dte.runtime.requests import RETRY_AFTER_S, count_request, request_id_from, status_of

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ErrorBody = Callable[[str], web.Response]
"""Makes the body of an error in the shape of the component's contract; its status is set by us."""

KEPT_HEADERS = ("Allow", "Location", "WWW-Authenticate")
"""Of aiohttp's own errors: what tells the client more than the status."""

_request_id = web.RequestKey("request_id", str)


def plain_error(text: str) -> web.Response:
    """An error as a line of text: the shape of upstream's interLink."""
    return web.Response(text=text)


def application(
    *,
    request_id_header: str = "X-Request-Id",
    max_body_bytes: int = 16 << 20,
    max_requests: int = 512,
    error_body: ErrorBody = plain_error,
    quiet_paths: frozenset[str] = frozenset(),
) -> web.Application:
    """An empty application with our middlewares; a request beyond `max_requests` at once is told to come again.

    Good answers on `quiet_paths`, which are asked for every few seconds, are logged at DEBUG.
    A handler is cancelled when its client goes away: work that must be finished runs in a task of the daemon's.
    """
    places = asyncio.Semaphore(max_requests)

    @web.middleware
    async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[_request_id] = request_id_from(request.headers.get(request_id_header, ""))
        with structlog.contextvars.bound_contextvars(request_id=request[_request_id]):
            return await _logged(request, handler, quiet=request.path in quiet_paths)

    @web.middleware
    async def bound(request: web.Request, handler: Handler) -> web.StreamResponse:
        if places.locked():
            raise Unavailable("too many requests at once; try again")
        async with places:
            return await handler(request)

    @web.middleware
    async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            response = _error(error_body, error.status, error.text or error.reason)
            response.headers.update({name: error.headers[name] for name in KEPT_HEADERS if name in error.headers})
            return response
        except (Refused, BadOutput, Unavailable) as error:
            if isinstance(error, BadOutput):
                log.warning("bad_output", error=str(error))
            status = status_of(error)
            log.info("request_refused", path=request.path, status=status, error=str(error))
            response = _error(error_body, status, str(error))
            if isinstance(error, Unavailable) and error.retry_after_s is not None:
                response.headers["Retry-After"] = str(ceil(error.retry_after_s))
            return response

    return web.Application(client_max_size=max_body_bytes, middlewares=[identify, answer_errors, bound])


class CutAtStop:
    """Answers that have no end of their own, as a followed log: a drain would wait for them in vain.

    At a stop of `app` their connections are cut, so that they cannot look complete; their readers ask again.
    """

    def __init__(self, app: web.Application) -> None:
        self._transports: set[asyncio.Transport] = set()
        app.on_shutdown.append(self._cut)

    @contextlib.contextmanager
    def endless(self, request: web.Request) -> Iterator[None]:
        """Around the answer to `request`."""
        transport = request.transport
        if transport is None:  # gone already
            yield
            return
        self._transports.add(transport)
        try:
            yield
        finally:
            self._transports.discard(transport)

    async def _cut(self, _: web.Application) -> None:
        for transport in tuple(self._transports):
            transport.abort()


def request_id(request: web.Request) -> str:
    """The caller's id of this request, or the one that we gave it."""
    return request[_request_id]


def _error(error_body: ErrorBody, status: int, text: str) -> web.Response:
    response = error_body(text)
    response.set_status(status)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


async def _logged(request: web.Request, handler: Handler, *, quiet: bool) -> web.StreamResponse:
    start = time.monotonic()
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except asyncio.CancelledError:
        status = 499  # the client went away
        raise
    except Exception as error:
        # aiohttp answers 500 without a stack; the stack belongs in the journal.
        log.exception("request_failed", error=str(error))
        raise
    finally:
        seconds = time.monotonic() - start
        count_request(_route(request), request.method, status, seconds)
        level = logging.DEBUG if quiet and status < 400 else logging.INFO
        log.log(level, "request", method=request.method, path=request.path, status=status, ms=round(seconds * 1000, 1))


def _route(request: web.Request) -> str:
    """The route's pattern, so that metrics have one series for each route and not for each path."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
