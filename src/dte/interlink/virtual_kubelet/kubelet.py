"""The kubelet's port: what the API server asks a node for. TLS lets in only its client certificate."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog
from aiohttp import web

from dte.interlink import pods
from dte.interlink.virtual_kubelet.log_options import LogQuery, log_query
from dte.interlink.virtual_kubelet.ports import Site
from dte.interlink.virtual_kubelet.record import PodRecord
from dte.interlink.virtual_kubelet.registry import PodRegistry
from dte.interlink.virtual_kubelet.times import Clock
from dte.interlink.wire import LogRequest, encode_json
from dte.runtime.errors import Malformed, NotFound, Refused, Unavailable
from dte.runtime.http import CutAtStop, application

log = structlog.get_logger()

NOT_SERVED = "this node runs its pods in a batch system: {what} is not supported; use kubectl logs\n"


def kubelet_application(registry: PodRegistry, site: Site, clock: Clock) -> web.Application:
    """Logs and the list of pods; everything else is 501 with a text that says so."""
    app = application()
    kubelet = _Kubelet(registry, site, clock, CutAtStop(app))
    app.add_routes(
        [
            web.get("/healthz", kubelet.healthz),
            web.get("/pods", kubelet.pods),
            web.get("/runningpods/", kubelet.running_pods),
            web.get("/containerLogs/{namespace}/{pod}/{container}", kubelet.container_logs),
            web.route("*", "/{rest:.*}", kubelet.not_served),
        ]
    )
    return app


class _Kubelet:
    def __init__(self, registry: PodRegistry, site: Site, clock: Clock, cut_at_stop: CutAtStop) -> None:
        self._cut_at_stop = cut_at_stop
        self._registry = registry
        self._site = site
        self._clock = clock

    async def healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def pods(self, _: web.Request) -> web.Response:
        return _pod_list([record.pod for record in self._registry.present()])

    async def running_pods(self, _: web.Request) -> web.Response:
        running = [record.pod for record in self._registry.present() if record.shown.get("phase") == "Running"]
        return _pod_list(running)

    async def not_served(self, request: web.Request) -> web.Response:
        what = request.path.strip("/").split("/")[0] or "this"
        return web.Response(status=501, text=NOT_SERVED.format(what=what))

    async def container_logs(self, request: web.Request) -> web.StreamResponse:
        record = self._wanted(request)
        query = log_query(request.query, self._clock.time())
        if query.is_empty:
            return web.Response(text="")
        wanted = LogRequest(
            namespace=pods.namespace(record.pod),
            pod_uid=record.uid,
            pod_name=pods.name(record.pod),
            container=request.match_info["container"],
            options=query.options,
        )
        endless = self._cut_at_stop.endless(request) if query.options.follow else contextlib.nullcontext()
        try:
            with endless:
                async with self._site.logs(wanted) as chunks:
                    return await _streamed(request, chunks, query)
        except Refused as error:
            # Of 4xx answers the API server hands only the text of a 400 on to kubectl.
            raise Malformed(str(error)) from error

    def _wanted(self, request: web.Request) -> PodRecord:
        """The pod and container of the path. Raises NotFound, or Malformed (400) while there is no job."""
        namespace, name, container = (request.match_info[key] for key in ("namespace", "pod", "container"))
        record = self._registry.named(namespace, name)
        if record is None:
            raise NotFound(f"pod {namespace}/{name} is not on this node")
        names = [str(item.get("name")) for item in (*pods.init_containers(record.pod), *pods.containers(record.pod))]
        if container not in names:
            raise NotFound(f"pod {namespace}/{name} has no container {container!r}; it has {', '.join(names)}")
        if record.is_refused or (record.job_id is None and record.is_terminal):
            words = record.wanted.get("message") or "it was refused"
            raise Malformed(f"container {container!r} in pod {name!r} never ran: {words}")
        if record.job_id is None:
            raise Malformed(f"container {container!r} in pod {name!r} is waiting to start: it has no job yet")
        return record


async def _streamed(request: web.Request, chunks: AsyncIterator[bytes], query: LogQuery) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    await response.prepare(request)
    left = query.cut_at_bytes
    try:
        async for chunk in chunks:
            await response.write(chunk if left is None else chunk[:left])
            if left is not None and (left := left - len(chunk)) <= 0:
                break
        await response.write_eof()
    except ConnectionResetError:
        pass  # the caller left
    except Unavailable as error:
        log.warning("log_stream_broke", error=str(error))
        # Closed without the last chunk: the caller must not take it for the log's end.
        if request.transport is not None:
            request.transport.abort()
    return response


def _pod_list(items: Sequence[pods.Pod]) -> web.Response:
    body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
    return web.Response(body=encode_json(body), content_type="application/json")
