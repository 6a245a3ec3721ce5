"""HTTP in, answers out; what a call means is the gateway's. Routes and texts: docs/wire/interlink.md."""

import asyncio
import contextlib
import time

from aiohttp import web

from dte.interlink import wire
from dte.interlink.api.caller import caller_of
from dte.interlink.api.gateway import Gateway, NoStream, PluginFault
from dte.interlink.api.plugin_client import PluginAnswer, PluginStream
from dte.interlink.api.watchers import Watchers
from dte.interlink.watch.stream import send_watch
from dte.runtime.errors import Malformed, Unavailable
from dte.runtime.http import CutAtStop, Handler, application
from dte.runtime.unfinished import Unfinished

BODY_TIMEOUT_S = 30.0
"""Upstream's read limit: a client that sends slower than this holds a place for nothing."""
JSON_TYPE, TEXT_TYPE = "application/json", "text/plain"


def api_application(gateway: Gateway, watchers: Watchers, *, max_body_bytes: int, max_requests: int) -> web.Application:
    """The API's routes on the shell that every daemon has."""
    app = application(
        request_id_header=wire.SESSION_HEADER,
        max_body_bytes=max_body_bytes,
        max_requests=max_requests,
        quiet_paths=frozenset({"/status"}),
    )
    unfinished = Unfinished()
    routes = Routes(gateway, watchers, CutAtStop(app), unfinished)
    methods_of = {
        "/create": (routes.create, ("POST",)),
        "/delete": (routes.delete, ("DELETE", "POST")),
        "/status": (routes.status, ("GET", "POST")),
        "/watch": (routes.watch, ("GET",)),
        "/getLogs": (routes.get_logs, ("GET", "POST")),
        "/pinglink": (routes.ping, ("POST", "GET")),
        "/ping": (routes.ping, ("POST", "GET")),
        "/updateCache": (routes.update_cache, ("POST",)),
    }
    app.router.add_route("*", "/setKubeCFG", _no_credentials)
    for path, (handler, methods) in methods_of.items():
        resource = app.router.add_resource(path)
        for method in methods:
            resource.add_route(method, handler)
        resource.add_route("*", _only(methods))
    app.router.add_route("*", "/{path:.*}", _not_found)
    app.on_cleanup.append(lambda _: unfinished.settled())
    return app


class Routes:
    """One method for each route."""

    def __init__(self, gateway: Gateway, watchers: Watchers, cut_at_stop: CutAtStop, unfinished: Unfinished) -> None:
        self._gateway = gateway
        self._watchers = watchers
        self._cut_at_stop = cut_at_stop
        self._unfinished = unfinished

    async def create(self, request: web.Request) -> web.StreamResponse:
        caller = caller_of(request)
        wanted = wire.decode_create_request(await _body(request))
        try:
            # To the end: the audit line of a job is written even if its virtual kubelet has left.
            answer = await self._unfinished.run(self._gateway.create(caller, wanted))
        except PluginFault as error:
            raise web.HTTPBadGateway(text=str(error)) from error
        return _passed_on(answer, JSON_TYPE)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        caller = caller_of(request)
        pod = wire.decode_pod(await _body(request))
        return _passed_on(await self._unfinished.run(self._gateway.delete(caller, pod)), TEXT_TYPE)

    async def status(self, request: web.Request) -> web.StreamResponse:
        caller = caller_of(request)
        statuses = await self._gateway.status(caller, await _body(request))
        headers = {wire.INCOMPLETE_HEADER: ",".join(statuses.silent)} if statuses.silent else None
        return web.Response(body=wire.join_statuses(statuses.encoded), content_type=JSON_TYPE, headers=headers)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        caller = caller_of(request)
        lifetime_s = None if caller.expires_at is None else max(0.0, caller.expires_at - time.time())
        with self._watchers.place(request), self._cut_at_stop.endless(request):
            try:
                async with self._gateway.watch(caller) as reader:
                    return await send_watch(request, reader, lifetime_s=lifetime_s)
            except NoStream as error:
                raise web.HTTPNotImplemented(text=str(error)) from error

    async def ping(self, request: web.Request) -> web.StreamResponse:
        caller = caller_of(request)
        await _body(request)  # upstream sends none; whatever comes is no part of the answer
        return _passed_on(await self._gateway.ping(caller), JSON_TYPE)

    async def get_logs(self, request: web.Request) -> web.StreamResponse:
        caller = caller_of(request)
        data = await _body(request)
        try:
            wanted = wire.decode_log_request(data)
        except Malformed as error:
            raise Malformed("invalid request body") from error
        async with self._gateway.logs(caller, wanted) as answer:
            if isinstance(answer, PluginAnswer):
                return _passed_on(answer, TEXT_TYPE)
            with self._cut_at_stop.endless(request) if wanted.options.follow else contextlib.nullcontext():
                return await _streamed(request, answer)

    async def update_cache(self, request: web.Request) -> web.StreamResponse:
        """Nothing is cached here, so nothing can be out of date."""
        caller_of(request)
        await _body(request)
        return web.Response(text="Updated cache")


async def _body(request: web.Request) -> bytes:
    """The whole body; 413 beyond the limit (aiohttp), 408 when it takes too long."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text=f"the body did not arrive within {BODY_TIMEOUT_S:g} s") from error


def _passed_on(answer: PluginAnswer, content_type: str) -> web.Response:
    headers = {"Retry-After": answer.retry_after} if answer.retry_after else None
    kind = content_type if answer.status == 200 else TEXT_TYPE
    return web.Response(body=answer.body, status=answer.status, content_type=kind, charset="utf-8", headers=headers)


async def _streamed(request: web.Request, stream: PluginStream) -> web.StreamResponse:
    """Each chunk goes out as it comes. A log that breaks off ends the connection, so that it cannot look complete."""
    response = web.StreamResponse()
    response.content_type = TEXT_TYPE
    response.charset = "utf-8"
    await response.prepare(request)
    try:
        async with contextlib.aclosing(stream.chunks()) as chunks:
            async for chunk in chunks:
                await response.write(chunk)
        await response.write_eof()
    except (Unavailable, ConnectionResetError):  # the sidecar, or the reader, is gone
        if request.transport is not None:
            request.transport.abort()
    return response


def _only(methods: tuple[str, ...]) -> Handler:
    async def refuse(request: web.Request) -> web.StreamResponse:
        allowed = ", ".join(methods)
        return web.Response(status=405, text=f"{request.path} takes {allowed}", headers={"Allow": allowed})

    return refuse


async def _no_credentials(_: web.Request) -> web.StreamResponse:
    """Release 0.0.x uploaded a kubeconfig here. The body is not read."""
    raise web.HTTPGone(
        text="this API takes no cluster's credentials: set no kubeconfig here, and upgrade the virtual kubelet to "
        "interLink 0.5 or newer, which sends ConfigMaps and Secrets with each pod"
    )


async def _not_found(_: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound(text="404 page not found")
