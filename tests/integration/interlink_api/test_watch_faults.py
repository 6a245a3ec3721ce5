"""Sidecars that hang, readers that do not read, and an API that is killed: what holds then."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.integration.interlink_api.bodies import OTHER_UID, UID, create, pod
from tests.integration.interlink_api.plugin import Plugin
from tests.integration.interlink_api.site import Client, Site
from tests.integration.interlink_api.streams import SYNCED, status_when, told, watching

KILLS = 2


@pytest.fixture(autouse=True)
def with_streams(twin01: Plugin, twin02: Plugin) -> None:
    twin01.has_stream = twin02.has_stream = True


@contextlib.asynccontextmanager
async def hanging(path: Path) -> AsyncIterator[None]:
    """A sidecar that takes connections and says nothing."""

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await over.wait()
        writer.close()

    over = asyncio.Event()
    server = await asyncio.start_unix_server(say_nothing, path)
    yield
    over.set()
    server.close()
    path.unlink()


async def test_a_sidecar_that_hangs_keeps_nobody_else_waiting(kubelet: Client, twin01: Plugin, twin02: Plugin) -> None:
    await kubelet.call("POST", "/create", create(UID, "climate"))
    await status_when(kubelet, UID, holds=lambda answer: told(answer) == [UID])
    async with watching(kubelet) as stream:
        await stream.until(SYNCED)
        await twin01.stop()
        async with hanging(twin01.path):
            waiting = asyncio.create_task(kubelet.call("POST", "/create", create(str(uuid.uuid4()), "climate")))
            await kubelet.call("POST", "/create", create(OTHER_UID, "physics"))
            assert (await stream.pod())["UID"] == OTHER_UID
            answer = await kubelet.call("GET", "/status", [pod(), pod(OTHER_UID)])
            assert (told(answer), answer.headers["InterLink-Incomplete"]) == ([UID, OTHER_UID], "twin01")
            assert not waiting.done()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


async def test_no_pod_is_without_owner_whenever_the_api_is_killed(site: Site, kubelet: Client, twin01: Plugin) -> None:
    for number in range(KILLS):
        known = len(twin01.jobs)
        creating = [asyncio.create_task(_create_many(kubelet)) for _ in range(4)]
        while len(twin01.jobs) < known + 5 * (number + 1):
            await asyncio.sleep(0)
        await site.kill()
        acknowledged = {uid for done in await asyncio.gather(*creating) for uid in done}
        assert acknowledged <= set(twin01.jobs)
        await site.start()
        pods = [pod(uid) for uid in twin01.jobs]
        await status_when(kubelet, *twin01.jobs, holds=lambda answer: set(told(answer)) == set(twin01.jobs))
        async with site.client("vk.juelich") as stranger:
            refused = await asyncio.gather(*(stranger.call("DELETE", "/delete", item) for item in pods))
            assert {answer.status for answer in refused} == {404}
            assert json.loads((await stranger.call("GET", "/status", pods)).text) == []
    assert twin01.deleted == set()


async def _create_many(kubelet: Client) -> list[str]:
    """Pods whose creates were answered, until the API is gone."""
    done = []
    with contextlib.suppress(aiohttp.ClientError, ConnectionError):
        while True:
            uid = str(uuid.uuid4())
            if (await kubelet.call("POST", "/create", create(uid))).status == 200:
                done.append(uid)
    return done


@pytest.mark.slow
async def test_a_reader_that_does_not_read_is_cut_and_delays_nobody(prepared: Site, twin01: Plugin) -> None:
    prepared.listen_on_unix_socket()
    await prepared.start()
    async with prepared.unix_client() as client:
        await client.until_served()
        await client.call("POST", "/create", create())
        _, deaf = await asyncio.open_unix_connection(prepared.socket_path)
        deaf.write(b"GET /watch HTTP/1.1\r\nHost: api\r\n\r\n")
        deaf.transport.pause_reading()
        async with watching(client) as stream:
            await stream.until(SYNCED)
            for number in range(200):
                twin01.containers = [{"name": "c", "state": {"waiting": {"message": "x" * 20_000 + str(number)}}}]
                twin01.tell(UID)
                assert (await stream.pod())["containers"] == twin01.containers
            async with asyncio.timeout(90):
                while "dte_interlink_api_watchers 1.0" not in (await prepared.admin("/metrics")).text:
                    await asyncio.sleep(0.5)
        deaf.close()
