"""The life of a daemon: sockets, READY, signals, drain, and background tasks that may not die unseen."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiohttp import web

from dte.runtime.address import Address, parse_address
from dte.runtime.admin import Readiness, admin_application
from dte.runtime.errors import DteError
from dte.runtime.settings import AdminSettings
from dte.runtime.sockets import bind, inherited_sockets, notify_systemd, take_inherited

log = structlog.get_logger()

CLOSE_MARGIN_S = 2.0
"""How much longer than the drain everything else may take at a stop."""


class Server(Protocol):
    """Something that answers HTTP on one socket; `dte.runtime.web` has the one for ASGI applications."""

    async def start(self, bound: socket.socket, ssl_context: ssl.SSLContext | None, drain_s: float) -> None:
        """Accept connections; returns when it does. `drain_s` is what requests in flight get at the stop."""

    async def stop(self) -> None:
        """Accept no more and return when requests in flight are answered or their time is over."""


class AiohttpServer:
    """The server of an aiohttp application."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._runner: web.AppRunner | None = None

    async def start(self, bound: socket.socket, ssl_context: ssl.SSLContext | None, drain_s: float) -> None:
        self._runner = web.AppRunner(self._app, access_log=None, handler_cancellation=True, shutdown_timeout=drain_s)
        await self._runner.setup()
        await web.SockSite(self._runner, bound, ssl_context=ssl_context).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


@dataclass(frozen=True, slots=True)
class Listener:
    """An application at an address, over TLS when there is a context."""

    app: web.Application | Server
    address: Address
    ssl_context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Daemon:
    """All that `serve` needs to know of a component."""

    name: str
    listeners: Sequence[Listener]
    admin: AdminSettings
    background: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """Named loops that run until they are cancelled. One that ends takes the daemon down: systemd restarts it."""
    readiness: Readiness = lambda: None
    reload: Callable[[], None] = lambda: log.info("nothing_to_reload", hint="settings are read at start: restart")
    """Called on SIGHUP, which every unit's ExecReload sends and which would otherwise end the daemon."""
    stop_timeout_s: float = 20.0
    """Requests in flight get this long after SIGTERM."""


class BackgroundEnded(DteError):
    """A loop that must run for ever returned."""


async def serve(daemon: Daemon) -> None:
    """Run until SIGTERM or SIGINT; returns when requests in flight are answered or their time is over.

    Raises ConfigError when an address cannot be had, and whatever a background task dies of.
    """
    stop = _stop_event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, daemon.reload)
    async with _background(daemon, stop) as tasks:
        async with _listening(daemon):
            notify_systemd("READY=1")
            log.info("serving", daemon=daemon.name, addresses=[str(item.address) for item in daemon.listeners])
            await stop.wait()
            notify_systemd("STOPPING=1")
            log.info("stopping", daemon=daemon.name)
        # Closed and drained: nobody needs the loops any more.
        for task in tasks:
            task.cancel()


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


@contextlib.asynccontextmanager
async def _background(daemon: Daemon, stop: asyncio.Event) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run the loops; the first that ends sets `stop`, and its error is raised after the drain."""
    failed: list[BaseException] = []

    async def guarded(name: str, loop: Callable[[], Awaitable[None]]) -> None:
        try:
            await loop()
            raise BackgroundEnded(f"{name} returned; it should run until the daemon stops")
        except Exception as error:
            log.exception("background_died", task=name, error=str(error))
            failed.append(error)
            stop.set()

    tasks = [asyncio.create_task(guarded(name, loop), name=name) for name, loop in daemon.background.items()]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise failed[0]


@contextlib.asynccontextmanager
async def _listening(daemon: Daemon) -> AsyncIterator[None]:
    inherited = inherited_sockets(os.environ, os.getpid())
    admin = Listener(admin_application(daemon.readiness), parse_address(daemon.admin.listen))
    async with contextlib.AsyncExitStack() as stack:
        for listener in (*daemon.listeners, admin):
            server = AiohttpServer(listener.app) if isinstance(listener.app, web.Application) else listener.app
            bound = take_inherited(inherited, listener.address) or bind(listener.address)
            stack.push_async_callback(_stopped, server, daemon.stop_timeout_s + CLOSE_MARGIN_S)
            await server.start(bound, listener.ssl_context, daemon.stop_timeout_s)
            log.debug("listening", address=str(listener.address), name=bound.getsockname())
        for unused in inherited:
            log.warning(
                "socket_unused",
                name=str(unused.getsockname()),
                hint="the unit passes it, no setting names it",
            )
        yield


async def _stopped(server: Server, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await server.stop()
