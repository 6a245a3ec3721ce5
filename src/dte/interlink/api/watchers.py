"""Who reads the API's stream of changes: so many at once, and all of them sent away when there is none any more."""

import asyncio
import contextlib
from collections.abc import Iterator

from aiohttp import web
from prometheus_client import Gauge

from dte.runtime.errors import Unavailable

WATCHERS = Gauge("dte_interlink_api_watchers", "Connections that read the stream of changes")


class Watchers:
    """The connections of all readers."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._transports: set[asyncio.Transport] = set()

    @contextlib.contextmanager
    def place(self, request: web.Request) -> Iterator[None]:
        """Around the answer to `request`. Raises Unavailable when there are too many readers."""
        if len(self._transports) >= self._limit:
            raise Unavailable(f"{self._limit} virtual kubelets watch already (MaxWatchers); ask for the status instead")
        transport = request.transport
        if transport is None:  # gone already
            yield
            return
        self._transports.add(transport)
        WATCHERS.set(len(self._transports))
        try:
            yield
        finally:
            self._transports.discard(transport)
            WATCHERS.set(len(self._transports))

    def send_away(self) -> None:
        """Cut all of them; they come again and hear why."""
        for transport in tuple(self._transports):
            transport.abort()
