"""From a hub over HTTP to a reader."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from dte.interlink import wire
from dte.interlink.watch.hub import WatchHub
from dte.interlink.watch.lines import HeartbeatLine, Line, PodLine, SyncedLine
from dte.interlink.watch.reader import MAX_LINE_BYTES, read_watch
from dte.interlink.watch.stream import MEDIA_TYPE, send_watch
from dte.runtime.errors import Malformed, Unavailable


def status(uid: str) -> wire.PodStatus:
    return wire.PodStatus(f"pod-{uid}", uid, "default", "1", ())


@contextlib.asynccontextmanager
async def stream_of(
    hub: WatchHub, *, heartbeat_s: float = 60, lifetime_s: float | None = None
) -> AsyncIterator[AsyncGenerator[Sequence[Line]]]:
    async def watch(request: web.Request) -> web.StreamResponse:
        with hub.reader() as reader:
            return await send_watch(request, reader, heartbeat_s=heartbeat_s, lifetime_s=lifetime_s)

    app = web.Application()
    app.router.add_get("/watch", watch)
    async with TestClient(TestServer(app)) as client, client.get("/watch") as response:
        assert response.content_type == MEDIA_TYPE
        yield read_watch(response.content.iter_any())


async def test_thousands_of_pods_then_a_change_then_a_heartbeat() -> None:
    hub = WatchHub()
    for number in range(3000):
        hub.publish(status(str(number)))
    async with stream_of(hub, heartbeat_s=0.05) as batches:
        lines: list[Line] = []
        while not any(isinstance(line, SyncedLine) for line in lines):
            lines += await anext(batches)
        assert [line.uid for line in lines if isinstance(line, PodLine)] == [str(number) for number in range(3000)]
        hub.publish(status("new"))
        while HeartbeatLine() not in lines:
            lines += await anext(batches)
        assert any(isinstance(line, PodLine) and line.uid == "new" for line in lines)


async def test_a_stream_ends_with_the_credential() -> None:
    hub = WatchHub()
    async with stream_of(hub, lifetime_s=0.05) as batches:
        with pytest.raises(Exception, match="payload|Payload|closed|reset"):
            async for _ in batches:
                pass


async def chunks(*parts: bytes, then_silent: bool = False) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if then_silent:
        await asyncio.Event().wait()


async def test_lines_may_be_cut_anywhere() -> None:
    data = b'{"heartbeat":true}\n\n{"synced":true,"instance":"i"}\n{"weather":1}\n{"UID":"cut'
    single = [data[i : i + 1] for i in range(len(data))]
    heard = [line async for batch in read_watch(chunks(*single)) for line in batch]
    assert heard == [HeartbeatLine(), SyncedLine("i")]


async def test_silence_is_noticed() -> None:
    with pytest.raises(Unavailable, match="silent"):
        async for _ in read_watch(chunks(b'{"heartbeat":true}\n', then_silent=True), silence_s=0.02):
            pass


async def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(Malformed, match="longer"):
        async for _ in read_watch(chunks(b"x" * MAX_LINE_BYTES, b"x")):
            pass
