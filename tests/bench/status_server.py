"""A bare aiohttp server on a unix socket: a sidecar without work, and the yardstick for the API in front of it."""

# Its stream of changes is a real one, for the API reads it; only the batch system is missing.

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from dte.interlink import pods, wire
from dte.interlink.watch.hub import WatchHub
from dte.interlink.watch.stream import send_watch


async def serve(path: Path, answer: bytes) -> None:
    """`GET /status` gives `answer`, whatever is asked; `POST /create` gives a job, which `GET /watch` tells of.

    Until it is killed.
    """
    states = {state.uid: state for state in wire.decode_statuses(answer)}
    hub = WatchHub()

    async def status(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=answer, content_type="application/json")

    async def create(request: web.Request) -> web.Response:
        uid = pods.pod_uid(wire.decode_plugin_create(await request.read()).pod)
        if uid in states:
            hub.publish(states[uid])
        return web.Response(body=wire.encode_create_answer(wire.CreateAnswer(uid, "1")))

    async def watch(request: web.Request) -> web.StreamResponse:
        with hub.reader() as reader:
            return await send_watch(request, reader)

    app = web.Application(client_max_size=64 << 20)
    app.add_routes([web.get("/status", status), web.post("/create", create), web.get("/watch", watch)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
