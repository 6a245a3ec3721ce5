"""The admin listener: is it alive, is it ready, and its figures."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Readiness = Callable[[], str | None]
"""None when ready, else the reason why not."""


def admin_application(readiness: Readiness) -> web.Application:
    """`/healthz`: the loop turns. `/readyz`: 503 with the reason until it serves. `/metrics`: Prometheus text."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        reason = readiness()
        return web.Response(text="ok\n") if reason is None else web.Response(text=f"{reason}\n", status=503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app
