"""Who may see what."""

import json
import os
import sqlite3
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.integration.interlink_api.bodies import OTHER_UID, UID, create, logs, pod
from tests.integration.interlink_api.plugin import Plugin, serving
from tests.integration.interlink_api.site import Client, Site


@pytest.fixture(params=["other subject", "other owner id", "no owner id"])
async def stranger(request: pytest.FixtureRequest, site: Site) -> AsyncIterator[Client]:
    clients = {
        "other subject": lambda: site.client("vk.juelich"),
        "other owner id": lambda: site.client("vk.vega", owner="cluster/node2"),
        "no owner id": lambda: site.client("vk.vega", owner=None),
    }
    async with clients[request.param]() as client:
        yield client


async def test_another_caller_neither_sees_nor_touches_a_pod(kubelet: Client, stranger: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    await stranger.call("POST", "/create", create(OTHER_UID))
    before = len(twin01.calls)
    refused = [
        await stranger.call("POST", "/create", create()),
        await stranger.call("DELETE", "/delete", pod()),
        await stranger.call("GET", "/getLogs", logs()),
    ]
    assert [answer.status for answer in refused] == [404, 404, 404]
    assert len({answer.text for answer in refused}) == 1
    assert len(twin01.calls) == before
    seen = await stranger.call("GET", "/status", [pod(), pod(OTHER_UID)])
    assert [item["UID"] for item in json.loads(seen.text)] == [OTHER_UID]
    assert (await kubelet.call("GET", "/getLogs", logs())).text == "first line\n"


async def test_a_pod_of_another_reads_like_a_pod_of_nobody(kubelet: Client, stranger: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    of_another = await stranger.call("GET", "/getLogs", logs(UID))
    of_nobody = await stranger.call("GET", "/getLogs", logs(OTHER_UID))
    assert of_another.text.replace(UID, "") == of_nobody.text.replace(OTHER_UID, "")


async def test_a_client_without_a_certificate_gets_no_answer(site: Site) -> None:
    async with site.client_without_certificate() as nobody:
        with pytest.raises(aiohttp.ClientError):
            await nobody.call("POST", "/pinglink", b"")


async def test_a_certificate_of_another_authority_gets_no_answer(site: Site) -> None:
    async with site.client("vk.vega", pair=site.stranger.client("stranger")) as nobody:
        with pytest.raises(aiohttp.ClientError):
            await nobody.call("POST", "/pinglink", b"")


async def test_a_caller_that_names_no_owner_id_is_its_own_owner(site: Site, twin01: Plugin) -> None:
    async with site.client("vk.vega", owner=None) as client:
        await client.call("POST", "/create", create())
        assert len(json.loads((await client.call("GET", "/status", [pod()])).text)) == 1
    assert twin01.calls[0][1]["InterLink-Owner"] == "CN=vk.vega,O=Federation"


@pytest.mark.parametrize("owner", ["é", "x" * 513])
async def test_an_owner_id_that_no_header_can_carry_is_refused(site: Site, twin01: Plugin, owner: str) -> None:
    async with site.client("vk.vega", owner=None) as client:
        answer = await client.call("POST", "/create", create(), **{"InterLink-Owner": owner})
    assert (answer.status, answer.text.startswith("header InterLink-Owner must be")) == (400, True)


async def test_on_a_unix_socket_the_creator_is_the_peers_user_id(tmp_path_factory: pytest.TempPathFactory) -> None:
    site = Site(tmp_path_factory.mktemp("unix"))
    site.listen_on_unix_socket()
    try:
        async with (
            serving(site.plugin_path("twin01")) as plugin,
            serving(site.plugin_path("twin02")),
            site.unix_client() as client,
        ):
            await site.start()
            await client.until_served()
            assert (await client.call("POST", "/create", create())).status == 200
        creator = json.loads(plugin.calls[0][1]["InterLink-Creator"])
        assert creator == {"issuer": "unix", "subject": f"uid:{os.getuid()}"}
        await site.stop()
        with sqlite3.connect(site.directory / "state" / "ownership.sqlite3") as database:
            rows = database.execute("SELECT issuer, subject, owner, account FROM pod").fetchall()
        database.close()
        assert rows == [("unix", f"uid:{os.getuid()}", f"uid:{os.getuid()}", "twin01")]
    finally:
        await site.close()
