"""Uvicorn as a server of `dte.runtime.service`, which keeps sockets, signals and the drain to itself."""

import asyncio
import math
import socket
import ssl

import uvicorn

from dte.runtime.web.shell import AsgiApp

KEEP_ALIVE_S = 75
"""An idle connection is kept a little longer than nginx keeps its own (60 s), so that nginx closes first."""


class UvicornServer:
    """Serves one ASGI application on one socket."""

    def __init__(self, app: AsgiApp, *, max_connections: int = 4096) -> None:
        self._app = app
        self._max_connections = max_connections
        self._server: uvicorn.Server | None = None
        self._ticks: asyncio.Task[None] | None = None

    async def start(self, bound: socket.socket, ssl_context: ssl.SSLContext | None, drain_s: float) -> None:
        """Accept connections; see `dte.runtime.service.Server`."""
        config = uvicorn.Config(
            self._app,
            http="httptools",
            ws="none",
            lifespan="off",  # what lives as long as the daemon is opened and closed around `serve`
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the shell decides whom it believes
            limit_concurrency=self._max_connections,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(drain_s),
        )
        config.load()
        config.ssl = ssl_context
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[bound])
        self._server = server
        self._ticks = asyncio.create_task(server.main_loop(), name="uvicorn ticks")

    async def stop(self) -> None:
        """Refuse new connections and let requests in flight end within their time."""
        if self._server is None or self._ticks is None:
            return
        self._server.should_exit = True
        await self._ticks
        await self._server.shutdown()
