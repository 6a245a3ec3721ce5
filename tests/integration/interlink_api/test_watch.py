"""The stream of changes: from the sidecars into the API's memory, and out to who may see it."""

import asyncio
import contextlib
import json
import uuid

import aiohttp
import pytest

from tests.integration.interlink_api.bodies import OTHER_UID, UID, create, logs, pod
from tests.integration.interlink_api.plugin import Plugin, serving
from tests.integration.interlink_api.site import Client, Site
from tests.integration.interlink_api.streams import LIMIT_S, SYNCED, status_when, told, watching

VEGA = {"issuer": "CN=federation-ca,O=Federation", "subject": "CN=vk.vega,O=Federation"}
NODE1 = "cluster/node1"


@pytest.fixture
def twin01(twin01: Plugin) -> Plugin:
    twin01.has_stream = True
    return twin01


@pytest.fixture
def twin02(twin02: Plugin) -> Plugin:
    twin02.has_stream = True
    return twin02


async def test_a_change_at_the_sidecar_reaches_the_virtual_kubelet(kubelet: Client, twin01: Plugin) -> None:
    async with watching(kubelet) as stream:
        assert await stream.until(SYNCED) == []
        await kubelet.call("POST", "/create", create())
        line = await stream.pod()
        assert (line["UID"], line["JID"]) == (UID, "100")
        assert not line.keys() & {"owner", "creator"}, "for the API alone"
        twin01.containers = [{"name": "c", "state": {"terminated": {"exitCode": 3}}}]
        twin01.tell(UID)
        changed = await stream.pod()
        assert changed["containers"][0]["state"] == {"terminated": {"exitCode": 3}}
        assert changed["rev"] > line["rev"]
        await kubelet.call("DELETE", "/delete", pod())
        assert (await stream.pod())["deleted"] is True
        twin01.forget(UID)
        assert (await stream.pod()).keys() == {"UID", "gone", "rev"}


async def test_a_stream_begins_with_all_pods_of_all_accounts(kubelet: Client) -> None:
    await kubelet.call("POST", "/create", create(UID, "climate"))
    await kubelet.call("POST", "/create", create(OTHER_UID, "physics"))
    await status_when(kubelet, UID, OTHER_UID, holds=lambda answer: told(answer) == [UID, OTHER_UID])
    async with watching(kubelet) as stream:
        assert {line["UID"] for line in await stream.until(SYNCED)} == {UID, OTHER_UID}


async def test_other_callers_read_nothing_of_a_pod(site: Site, kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    await status_when(kubelet, UID, holds=lambda answer: told(answer) == [UID])
    strangers = [("vk.juelich", NODE1), ("vk.vega", "cluster/node2"), ("vk.vega", None)]
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(site.client(name, owner=owner)) for name, owner in strangers]
        streams = [await stack.enter_async_context(watching(client)) for client in clients]
        assert [await stream.until(SYNCED) for stream in streams] == [[], [], []]
        twin01.containers = [{"name": "c", "state": {"terminated": {"exitCode": 3}}}]
        twin01.tell(UID)
        twin01.forget(UID)
        own = [str(uuid.uuid4()) for _ in clients]
        for client, uid in zip(clients, own, strict=True):
            await client.call("POST", "/create", create(uid))
        assert [(await stream.pod())["UID"] for stream in streams] == own


async def test_status_is_answered_without_asking_the_sidecar(kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    await status_when(kubelet, UID, holds=lambda answer: told(answer) == [UID])
    assert [route for route, _, _ in twin01.calls] == ["/create"]


async def test_a_silent_sidecars_pods_keep_their_last_state(kubelet: Client, twin01: Plugin, twin02: Plugin) -> None:
    await kubelet.call("POST", "/create", create(UID, "climate"))
    await kubelet.call("POST", "/create", create(OTHER_UID, "physics"))
    whole = await status_when(kubelet, UID, OTHER_UID, holds=lambda answer: told(answer) == [UID, OTHER_UID])
    async with watching(kubelet) as stream:
        await stream.until(SYNCED)
        await twin01.stop()
        await stream.until({"synced": True, "incomplete": True})
        old = await kubelet.call("GET", "/status", [pod(), pod(OTHER_UID)])
        assert (old.text, old.headers["InterLink-Incomplete"]) == (whole.text, "twin01")
        twin01.containers = [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]
        async with serving(twin01.path, twin01):
            assert [line["UID"] for line in await stream.until(SYNCED)] == [UID]
            new = await kubelet.call("GET", "/status", [pod()])
            assert json.loads(new.text)[0]["containers"][0]["state"] == {"terminated": {"exitCode": 0}}
            assert "InterLink-Incomplete" not in new.headers


async def test_a_pod_that_went_while_nobody_listened_is_gone(kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    async with watching(kubelet) as stream:
        assert (await stream.pod())["UID"] == UID
        await twin01.stop()
        del twin01.jobs[UID]
        async with serving(twin01.path, twin01):
            assert (await stream.pod()).keys() == {"UID", "gone", "rev"}
            assert told(await kubelet.call("GET", "/status", [pod()])) == []


async def test_no_containers_are_never_a_state(kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    before = await status_when(kubelet, UID, holds=lambda answer: told(answer) == [UID])
    async with watching(kubelet) as stream:
        await stream.until(SYNCED)
        twin01.containers = []
        twin01.tell(UID)
        twin01.containers = [{"name": "c", "state": {"terminated": {"exitCode": 1}}}]
        await kubelet.call("POST", "/create", create(OTHER_UID))
        assert (await stream.pod())["UID"] == OTHER_UID
        assert (await kubelet.call("GET", "/status", [pod()])).text == before.text


async def test_a_plugin_without_a_stream_takes_the_apis_away(kubelet: Client, twin02: Plugin) -> None:
    async with watching(kubelet) as stream:
        await stream.until(SYNCED)
        twin02.has_stream = False
        twin02.end_streams()
        with pytest.raises(aiohttp.ClientError):
            await stream.until(SYNCED)
    answer = await kubelet.call("GET", "/watch", None)
    assert (answer.status, "ask for the status" in answer.text) == (501, True)
    await kubelet.call("POST", "/create", create(OTHER_UID, "physics"))
    assert told(await kubelet.call("GET", "/status", [pod(OTHER_UID, "physics")])) == [OTHER_UID]


async def test_an_empty_table_is_rebuilt_before_anybody_is_served(
    prepared: Site, twin01: Plugin, twin02: Plugin
) -> None:
    twin01.take(UID, NODE1, VEGA)
    twin01.hold_sync = True
    prepared.configure()
    await prepared.start()
    async with prepared.client("vk.vega") as owner, prepared.client("vk.juelich") as stranger:
        refused = [
            await owner.call("GET", "/status", [pod()]),
            await stranger.call("POST", "/create", create()),
            await owner.call("DELETE", "/delete", pod()),
            await owner.call("GET", "/getLogs", logs()),
            await owner.call("GET", "/watch", None),
        ]
        assert [(answer.status, bool(answer.headers["Retry-After"])) for answer in refused] == [(503, True)] * 5
        assert "has not heard from the sidecars of twin01" in refused[0].text
        assert (await owner.call("POST", "/pinglink", b"")).status == 200, "the site is there"
        twin01.send(SYNCED | {"instance": "i"})
        await status_when(owner, UID, holds=lambda answer: told(answer) == [UID])
        assert (await stranger.call("POST", "/create", create())).status == 404
        assert (await stranger.call("GET", "/getLogs", logs())).status == 404
        assert (await owner.call("GET", "/getLogs", logs())).text == "first line\n"
    assert [route for route, _, _ in twin01.calls] == ["/status", "/getLogs"]


async def test_a_table_that_is_not_empty_serves_at_once_and_learns(site: Site, kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    await site.kill()
    twin01.hold_sync = True
    twin01.take(OTHER_UID, NODE1, VEGA)
    await site.start()
    answer = await status_when(kubelet, UID, OTHER_UID, holds=lambda answer: len(told(answer)) == 2)
    assert answer.headers["InterLink-Incomplete"] == "twin01"
    async with site.client("vk.juelich") as stranger:
        assert (await stranger.call("DELETE", "/delete", pod(OTHER_UID))).status == 404
    await site.kill()
    twin01.jobs.clear()
    await site.start()
    async with site.client("vk.juelich") as stranger:
        assert (await stranger.call("DELETE", "/delete", pod(OTHER_UID))).status == 404, "what it learnt is on disk"


async def test_a_forgotten_pod_may_be_created_by_anybody(site: Site, kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    async with watching(kubelet) as stream:
        assert (await stream.pod())["UID"] == UID
        twin01.forget(UID)
        assert (await stream.pod())["gone"] is True
    async with site.client("vk.juelich") as other, asyncio.timeout(LIMIT_S):
        while (await other.call("POST", "/create", create())).status != 200:
            await asyncio.sleep(0.02)


async def test_a_stream_ends_with_the_certificate(site: Site, twin01: Plugin) -> None:
    pair = site.authority.client("vk.brief", valid_s=8)
    async with site.client("vk.brief", pair=pair) as client, watching(client) as stream:
        await stream.until(SYNCED)
        with pytest.raises((aiohttp.ClientError, AssertionError)):
            await stream.until({"never": True})


async def test_readers_beyond_the_limit_are_told_to_ask(prepared: Site, twin01: Plugin, twin02: Plugin) -> None:
    prepared.configure(MaxWatchers=2)
    await prepared.start_heard()
    async with prepared.client("vk.vega") as client, watching(client), watching(client):
        answers = await asyncio.gather(*(client.call("GET", "/watch", None) for _ in range(50)))
        assert {answer.status for answer in answers} == {503}
        assert (await client.call("GET", "/status", [])).status == 200
    metrics = (await prepared.admin("/metrics")).text
    assert 'dte_interlink_api_sidecar_live{account="twin01"} 1.0' in metrics


async def test_a_stop_ends_streams_at_once(prepared: Site, twin01: Plugin, twin02: Plugin) -> None:
    prepared.configure(StopTimeout=300)
    await prepared.start_heard()
    async with prepared.client("vk.vega") as client, watching(client) as stream:
        await stream.until(SYNCED)
        assert await prepared.stop() == 0
