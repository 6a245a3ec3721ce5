"""Upstream's virtual kubelet in front of our API, and its plugins behind it."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.interlink_api.bodies import OTHER_UID, UID, pod
from tests.integration.interlink_api.plugin import RUNNING, Plugin, serving
from tests.integration.interlink_api.site import Client, Site
from tests.integration.interlink_api.upstream import Kubelet, OldPlugin, go_pod, serving_old

pytestmark = pytest.mark.asyncio(loop_scope="module")


def configure(site: Site, **changes: Any) -> None:
    site.listen_on_unix_socket(SidecarURL=f"unix://{site.plugin_path('default')}", Accounts=None, **changes)


@contextlib.asynccontextmanager
async def serving_site(directory: Path, **changes: Any) -> AsyncIterator[Client]:
    """A caller of a site whose one plugin is there already."""
    site = Site(directory)
    configure(site, **changes)
    try:
        await site.start()
        async with site.unix_client() as client:
            await client.until_served()
            yield client
    finally:
        await site.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Client, OldPlugin]]:
    """A site with an old plugin, for all tests that need only that: each has pods of its own."""
    directory = tmp_path_factory.mktemp("old")
    async with serving_old(directory / "default.sock") as plugin, serving_site(directory) as client:
        yield client, plugin


@pytest.fixture
def client(shared: tuple[Client, OldPlugin]) -> Client:
    return shared[0]


@pytest.fixture
def old(shared: tuple[Client, OldPlugin]) -> Iterator[OldPlugin]:
    """Without the traits that a test before gave it."""
    plugin = shared[1]
    yield plugin
    plugin.reset()


def uids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


async def created(client: Client, count: int) -> list[dict[str, Any]]:
    pods = [go_pod(uid) for uid in uids(count)]
    for item in pods:
        await Kubelet(client).create(item)
    return pods


async def told(client: Client, pods: list[dict[str, Any]]) -> list[str]:
    answer = await client.call("GET", "/status", pods)
    assert answer.status == 200, answer.text
    return [item["UID"] for item in json.loads(answer.text)]


@pytest.mark.parametrize("has_stream", [True, False])
async def test_upstreams_kubelet_runs_a_pod_through_our_api(tmp_path: Path, has_stream: bool) -> None:
    async with serving(tmp_path / "default.sock", has_stream=has_stream) as plugin, serving_site(tmp_path) as client:
        await _a_life(Kubelet(client), plugin)


async def _a_life(kubelet: Kubelet, plugin: Plugin) -> None:
    item = go_pod(UID)
    assert await kubelet.ping() == 200
    assert await kubelet.state(item) is None, "not known: no change"
    assert await kubelet.create(item) == "100"
    assert plugin.calls[-1][1]["InterLink-Owner"] == json.loads(plugin.calls[-1][1]["InterLink-Creator"])["subject"]
    while (state := await kubelet.state(item)) is None:
        pass
    assert state["containers"] == [RUNNING]
    assert await kubelet.update_cache(item) == 200
    assert await kubelet.logs(item) == "first line\n"
    assert await kubelet.delete(item) == 200
    assert await kubelet.delete(item) == 200


async def test_upstreams_kubelet_reads_why_a_pod_was_refused(client: Client) -> None:
    item = go_pod(UID)
    item["metadata"]["namespace"] = "Not A Namespace"
    with pytest.raises(RuntimeError, match=r"pod\.metadata\.namespace must be a name"):
        await Kubelet(client).create(item)


async def test_one_pod_that_a_plugin_breaks_on_does_not_hide_the_others(client: Client, old: OldPlugin) -> None:
    first, broken, last = await created(client, 3)
    old.breaks_on = {broken["metadata"]["uid"]}
    assert await told(client, [first, broken, last]) == [first["metadata"]["uid"], last["metadata"]["uid"]]
    assert [len(asked) for asked in old.asked[-4:]] == [3, 1, 1, 1]


async def test_a_plugin_that_breaks_on_every_pod_is_silent_in_its_own_words(client: Client, old: OldPlugin) -> None:
    pods = await created(client, 2)
    old.breaks_on = {item["metadata"]["uid"] for item in pods}
    answer = await client.call("GET", "/status", pods)
    assert (answer.status, "Invalid job id specified" in answer.text) == (503, True)


async def test_no_containers_are_no_success(client: Client, old: OldPlugin) -> None:
    unknown, running = await created(client, 2)
    old.empty = {unknown["metadata"]["uid"]}
    assert await told(client, [unknown, running]) == [running["metadata"]["uid"]]
    assert await Kubelet(client).state(unknown) is None


async def test_states_of_other_pods_and_of_no_pod_are_left_out(client: Client, old: OldPlugin) -> None:
    (item,) = await created(client, 1)
    other = {"name": "x", "UID": OTHER_UID, "namespace": "climate", "containers": [RUNNING]}
    old.cached = [other, {"name": "x", "UID": 7, "containers": "many"}, {}]
    state = await Kubelet(client).state(item)
    assert state is not None
    assert state["UID"] == item["metadata"]["uid"]


async def test_a_plugin_that_answers_a_ping_in_words_is_there(client: Client) -> None:
    answer = await client.call("POST", "/pinglink", b"")
    assert (answer.status, answer.text) == (200, "I am alive")


async def test_a_switch_gives_plugins_from_before_0_5_their_list(tmp_path: Path) -> None:
    async with serving_old(tmp_path / "default.sock") as plugin, serving_site(tmp_path, ListBodies=True) as client:
        plugin.wants_list = True
        assert await Kubelet(client).create(go_pod(UID)) == f"{UID[:4]}_dind"
        assert plugin.created == [UID]


async def test_bodies_of_the_first_releases_are_taken(client: Client, old: OldPlugin) -> None:
    (uid,) = uids(1)
    assert (await client.call("POST", "/create", [go_pod(uid)])).status == 200
    assert await told(client, [go_pod(uid)]) == [uid]
    assert (await client.call("GET", "/ping", b"")).status == 200
    assert (await client.call("POST", "/delete", [go_pod(uid)])).status == 200


async def test_a_pod_whose_files_the_first_releases_do_not_send_is_refused(client: Client, old: OldPlugin) -> None:
    item = pod()
    item["spec"]["volumes"] += [
        {"name": "a", "configMap": {"name": "settings"}},
        {"name": "b", "secret": {"secretName": "key"}},
        {"name": "c", "configMap": {"name": "maybe", "optional": True}},
    ]
    answer = await client.call("POST", "/create", [item])
    assert answer.status == 422
    assert answer.text.startswith("the pod mounts configmap settings, secret key, which this virtual kubelet does not")
    assert UID not in old.created


async def test_a_clusters_credentials_are_not_taken(client: Client) -> None:
    answer = await client.call("POST", "/setKubeCFG", b"apiVersion: v1\nkind: Config\n")
    assert (answer.status, "upgrade the virtual kubelet" in answer.text) == (410, True)
