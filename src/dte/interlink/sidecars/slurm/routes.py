"""HTTP in, JSON out: the plugin side of interLink's contract (docs/wire/interlink.md). No decisions here."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from dte.interlink import wire
from dte.interlink.watch.stream import send_watch
from dte.runtime.errors import BadOutput, Unavailable
from dte.runtime.http import CutAtStop, application

from .sidecar import SlurmSidecar

log = structlog.get_logger()

DELETED_TEXT = "All containers for submitted Pods have been deleted"
"""Upstream's words."""


def routes(sidecar: SlurmSidecar) -> web.Application:
    """The application that serves a sidecar."""

    async def create(request: web.Request) -> web.Response:
        body = wire.decode_plugin_create(await request.read())
        owner_id, creator = _caller(request)
        answer = await sidecar.create(body, owner_id=owner_id, creator=creator)
        return _json(wire.encode_create_answer(answer))

    async def delete(request: web.Request) -> web.Response:
        pod = wire.decode_pod(await request.read())
        owner_id, creator = _caller(request)
        await sidecar.delete(pod, owner_id=owner_id, creator=creator)
        return web.Response(text=DELETED_TEXT)

    async def status(request: web.Request) -> web.Response:
        requested = wire.decode_pods(await request.read())
        if not requested:
            return _json(wire.encode_ping(await sidecar.ping(request.headers.get(wire.NODE_HEADER, ""))))
        return _json(wire.encode_statuses(sidecar.statuses(requested)))

    async def logs(request: web.Request) -> web.StreamResponse:
        wanted = wire.decode_log_request(await request.read())
        chunks = await sidecar.log(wanted)
        with cut_at_stop.endless(request) if wanted.options.follow else contextlib.nullcontext():
            return await _streamed(request, chunks)

    async def watch(request: web.Request) -> web.StreamResponse:
        with sidecar.hub.reader() as reader, cut_at_stop.endless(request):
            return await send_watch(request, reader)

    app = application(
        request_id_header=wire.SESSION_HEADER,
        max_body_bytes=sidecar.settings.max_body_bytes,
    )
    cut_at_stop = CutAtStop(app)
    app.add_routes(
        [
            web.post("/create", create),
            web.post("/delete", delete),
            web.delete("/delete", delete),
            web.get("/status", status),
            web.post("/status", status),
            web.get("/getLogs", logs),
            web.post("/getLogs", logs),
            web.get("/watch", watch),
        ]
    )
    return app


def _caller(request: web.Request) -> tuple[str, wire.Creator | None]:
    """Owner id and creator as the API names them; empty and None from a caller that does not."""
    creator = request.headers.get(wire.CREATOR_HEADER)
    return request.headers.get(wire.OWNER_HEADER, ""), wire.decode_creator(creator) if creator else None


async def _streamed(request: web.Request, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    await response.prepare(request)
    try:
        async for chunk in chunks:
            await response.write(chunk)
        await response.write_eof()
    except (Unavailable, BadOutput) as e:
        # The status line is sent; a cut connection is the only way left to say that the log is not whole.
        log.warning("log_cut", error=str(e))
        if request.transport is not None:
            request.transport.abort()
    return response


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
