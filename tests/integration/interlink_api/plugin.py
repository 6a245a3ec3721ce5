"""A sidecar that keeps the contract and has no batch system: its jobs are entries of a dict."""

import asyncio
import contextlib
import json
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
    has_stream: bool = False
    """Whether it has /watch, as our sidecars do and upstream's plugins do not."""
    owners: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    """Owner id and creator of each job, as the create's headers said."""
    hold_sync: bool = False
    """A stream tells its pods and never that these were all."""
    containers: list[Any] = field(default_factory=lambda: [RUNNING])
    """Of every pod."""
    streams: set[asyncio.Queue[bytes | None]] = field(default_factory=set)
    """What goes to each reader; None ends its connection."""
    rev: int = 0
    runner: web.AppRunner | None = None

    async def stop(self) -> None:
        """Nobody listens any more; `serving` starts it again."""
        self.gate.set()
        self.end_streams()
        if self.runner is not None:
            await self.runner.cleanup()
            self.path.unlink(missing_ok=True)
            self.runner = None

    async def create(self, request: web.Request) -> web.Response:
        body = await self._recorded(request)
        uid = body["pod"]["metadata"]["uid"]
        if self.hold_creates:
            await self._wait_at_gate()
        if uid in self.deleted:
            return web.Response(status=409, text=f"pod {uid} was deleted")
        job = self.take(uid, request.headers["InterLink-Owner"], json.loads(request.headers["InterLink-Creator"]))
        if self.create_answer is not None:
            return web.Response(text=self.create_answer)
        return web.json_response({"PodUID": uid, "PodJID": job})

    async def delete(self, request: web.Request) -> web.Response:
        body = await self._recorded(request)
        uid = body["metadata"]["uid"]
        self.deleted.add(uid)
        if uid in self.jobs:
            self.tell(uid)
        return web.Response(text="All containers for submitted Pods have been deleted")

    async def status(self, request: web.Request) -> web.Response:
        asked = await self._recorded(request)
        if not asked:
            return web.json_response(self.ping)
        return web.json_response([self._state(uid) for uid in self.jobs])

    async def watch(self, request: web.Request) -> web.StreamResponse:
        if not self.has_stream:
            raise web.HTTPNotFound
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for uid in self.jobs:
            queue.put_nowait(self._line(uid))
        if not self.hold_sync:
            queue.put_nowait(b'{"synced":true,"instance":"i"}\n')
        self.streams.add(queue)
        try:
            while (line := await queue.get()) is not None:
                await response.write(line)
        finally:
            self.streams.discard(queue)
        return response

    def take(self, uid: str, owner: str, creator: dict[str, str]) -> str:
        """A pod's job, an old one or a new one, which readers are told of."""
        if uid not in self.jobs:
            self.jobs[uid] = str(100 + len(self.jobs))
            self.owners[uid] = (owner, creator)
            self.tell(uid)
        return self.jobs[uid]

    def forget(self, uid: str) -> None:
        """Its time on record is over."""
        del self.jobs[uid]
        self.rev += 1
        self.send({"UID": uid, "gone": True, "rev": self.rev})

    def tell(self, uid: str) -> None:
        for queue in self.streams:
            queue.put_nowait(self._line(uid))

    def send(self, line: Any) -> None:
        """Anything, to all readers."""
        for queue in self.streams:
            queue.put_nowait(json.dumps(line).encode() + b"\n")

    def end_streams(self) -> None:
        for queue in self.streams:
            queue.put_nowait(None)

    def _line(self, uid: str) -> bytes:
        self.rev += 1
        owner, creator = self.owners[uid]
        line = {**self._state(uid), "rev": self.rev, "owner": owner, "creator": creator}
        return json.dumps(line | ({"deleted": True} if uid in self.deleted else {})).encode() + b"\n"

    def _state(self, uid: str) -> dict[str, Any]:
        # All that there is, asked for or not: the API must pick.
        return {"name": "p", "UID": uid, "namespace": "vk", "JID": self.jobs[uid], "containers": self.containers}

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
async def serving(path: Path, plugin: Plugin | None = None, *, has_stream: bool = False) -> AsyncIterator[Plugin]:
    """A plugin on a unix socket at `path`, until the block ends: a new one, or one that has jobs already."""
    plugin = plugin or Plugin(path, has_stream=has_stream)
    app = web.Application(middlewares=[_failures])
    app.router.add_post("/create", plugin.create)
    app.router.add_post("/delete", plugin.delete)
    app.router.add_get("/status", plugin.status)
    app.router.add_get("/getLogs", plugin.logs)
    app.router.add_get("/watch", plugin.watch)
    plugin.runner = web.AppRunner(app, shutdown_timeout=0.1)
    await plugin.runner.setup()
    await web.UnixSite(plugin.runner, str(path)).start()
    try:
        yield plugin
    finally:
        await plugin.stop()
