"""An interLink API and plugin as upstream ships them, over a socket: the routes, and the habits that we must bear.

Written from docs/wire/interlink.md. No stream of changes; a cache of states by pod; an answer for nobody is `null`; a
plugin's error is wrapped and HTML-escaped, and a plugin that is not reached is a 500 without text.
"""

import html
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from dte.interlink.virtual_kubelet.site import InterlinkSite
from dte.runtime.address import UnixAddress


class Upstream:
    """What the plugin knows, how it fails, and what it was sent."""

    def __init__(self) -> None:
        self.states: dict[str, list[dict[str, Any]]] = {}
        """Containers of the jobs by UID; an empty list is how the plugin speaks of a pod that it does not know."""
        self.fails: dict[str, str] = {}
        """Text of the 500 by route."""
        self.unfindable: set[str] = set()
        """UIDs for which the plugin fails a whole status question."""
        self.is_plugin_down = False
        self.answers_for_others = False
        self.ping: bytes = b"64|256000|*/sinfo says <this>/*"
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.paths: list[str] = []
        self._cache: dict[str, dict[str, Any]] = {}

    async def handle(self, request: web.Request) -> web.Response:
        """The Go router looks at the path alone."""
        self.paths.append(request.path)
        route = getattr(self, f"_{request.path.strip('/')}", None)
        if route is None:
            return web.Response(status=404, text="404 page not found\n")
        if self.is_plugin_down:
            return web.Response(status=500, body=b"503" if request.path == "/pinglink" else b"")
        if request.path in self.fails:
            return _wrapped(self.fails[request.path])
        answer: web.Response = route(await request.read())
        return answer

    def _pinglink(self, _: bytes) -> web.Response:
        return web.Response(body=self.ping)

    def _create(self, body: bytes) -> web.Response:
        pod = json.loads(body)["pod"]
        self.created.append(pod)
        uid = pod["metadata"]["uid"]
        self.states.setdefault(uid, [{"name": item["name"], "state": {}} for item in pod["spec"]["containers"]])
        return web.json_response({"PodUID": uid, "PodJID": str(100 + len(self.created))})

    def _delete(self, body: bytes) -> web.Response:
        uid = json.loads(body)["metadata"]["uid"]
        self.deleted.append(uid)
        self.states.pop(uid, None)
        self._cache.pop(uid, None)
        return web.Response(text="All containers for submitted Pods have been deleted")

    def _status(self, body: bytes) -> web.Response:
        asked = json.loads(body)
        if any(pod["metadata"]["uid"] in self.unfindable for pod in asked):
            return _wrapped("exit status 1: slurm_load_jobs error: Invalid job id specified")
        for pod in asked:
            uid = pod["metadata"]["uid"]
            is_open = pod.get("status", {}).get("phase") in ("Pending", "Running")
            if uid in self.states and (is_open or uid not in self._cache):
                self._cache[uid] = self._pod_status(pod["metadata"]["name"], uid)
        wanted = self._cache if self.answers_for_others else [pod["metadata"]["uid"] for pod in asked]
        return web.json_response([self._cache[uid] for uid in wanted if uid in self._cache] or None)

    def _pod_status(self, name: str, uid: str) -> dict[str, Any]:
        containers = self.states[uid] or None
        return {
            "name": name,
            "UID": uid,
            "namespace": "ns",
            "JID": "",
            "containers": containers,
            "initContainers": None,
        }


def _wrapped(text: str) -> web.Response:
    body = f"HTTP InterLink session CreatePod#1:  call exit status: 500. Body: {html.escape(text)}"
    return web.Response(status=500, text=body)


@asynccontextmanager
async def upstream_site(socket: Path) -> AsyncIterator[tuple[Upstream, InterlinkSite]]:
    """A running one, and our client of it."""
    upstream = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", upstream.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(socket)).start()
        async with InterlinkSite(UnixAddress(socket), node_name="vk") as site:
            site.owner_id = "cluster/vk"
            yield upstream, site
    finally:
        await runner.cleanup()
