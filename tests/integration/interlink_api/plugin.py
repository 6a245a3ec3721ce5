"""A sidecar that keeps the contract and has no batch system: its jobs are entries of a dict."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

RUNNING = {"name": "c", "ready": True, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
PING = {"status": "ok", "resources": {"cpu": "128", "memory": "512Gi", "pods": "1000"}, "taints": []}


@dataclass
class Plugin:
    """State of one account; tests look at it and set what it answers."""

    path: Path
    jobs: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    calls: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    """(route, headers, decoded body) of each call."""
    failing: tuple[int, str, dict[str, str]] | None = None
    """Status, text and headers of every answer while it is set."""
    create_answer: str | None = None
    """What create says instead of the truth."""
    ping: Any = field(default_factory=lambda: dict(PING))
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """A create, and a followed log after its first line, wait for it."""
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something waits at the gate."""
    hold_creates: bool = False
    break_logs: bool = False
    """A followed log ends with a broken connection."""

    async def create(self, request: web.Request) -> web.Response:
        body = await self._recorded(request)
        uid = body["pod"]["metadata"]["uid"]
        if self.hold_creates:
            await self._wait_at_gate()
        if uid in self.deleted:
            return web.Response(status=409, text=f"pod {uid} was deleted")
        job = self.jobs.setdefault(uid, str(100 + len(self.jobs)))
        if self.create_answer is not None:
            return web.Response(text=self.create_answer)
        return web.json_response({"PodUID": uid, "PodJID": job})

    async def delete(self, request: web.Request) -> web.Response:
        body = await self._recorded(request)
        uid = body["metadata"]["uid"]
        self.deleted.add(uid)
        return web.Response(text="All containers for submitted Pods have been deleted")

    async def status(self, request: web.Request) -> web.Response:
        asked = await self._recorded(request)
        if not asked:
            return web.json_response(self.ping)
        return web.json_response([self._state(uid) for uid in self.jobs])

    def _state(self, uid: str) -> dict[str, Any]:
        # All that there is, asked for or not: the API must pick.
        return {"name": "p", "UID": uid, "namespace": "vk", "JID": self.jobs[uid], "containers": [RUNNING]}

    async def logs(self, request: web.Request) -> web.StreamResponse:
        body = await self._recorded(request)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first line\n")
        if body["Opts"]["Follow"]:
            await self._wait_at_gate()
            if self.break_logs:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(b"last line\n")
        await response.write_eof()
        return response

    async def _wait_at_gate(self) -> None:
        self.holding.set()
        await self.gate.wait()

    async def _recorded(self, request: web.Request) -> Any:
        body = await request.json()
        self.calls.append((request.path, dict(request.headers), body))
        if self.failing is not None:
            status, text, headers = self.failing
            raise _Failure(status, text, headers)
        return body


class _Failure(Exception):
    pass


@web.middleware
async def _failures(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        return await handler(request)
    except _Failure as failure:
        status, text, headers = failure.args
        return web.Response(status=status, text=text, headers=headers)


@contextlib.asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Plugin]:
    """The plugin on a unix socket at `path`, until the block ends."""
    plugin = Plugin(path)
    app = web.Application(middlewares=[_failures])
    app.router.add_post("/create", plugin.create)
    app.router.add_post("/delete", plugin.delete)
    app.router.add_get("/status", plugin.status)
    app.router.add_get("/getLogs", plugin.logs)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield plugin
    finally:
        plugin.gate.set()
        await runner.cleanup()
        path.unlink(missing_ok=True)
