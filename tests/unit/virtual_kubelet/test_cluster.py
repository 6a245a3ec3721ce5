"""The client of the Kubernetes API against a server in this process: what a real one does too seldom."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from kubernetes_asyncio.client import ApiClient, Configuration

from dte.interlink.virtual_kubelet import cluster as cluster_module
from dte.interlink.virtual_kubelet.cluster import Cluster
from dte.interlink.virtual_kubelet.ports import Expired
from dte.interlink.virtual_kubelet.projected import TokenWish
from dte.interlink.virtual_kubelet.sources import Reference
from dte.runtime.errors import BadOutput, Conflict, NotFound, Refused, Unavailable
from tests.unit.virtual_kubelet.builders import UID, pod


@asynccontextmanager
async def cluster_with(handler):
    """A client of a server whose every answer `handler` makes; its requests are in `seen`."""
    seen = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.path_qs, dict(request.headers), await request.read()))
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    configuration = Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    configuration.api_key["BearerToken"] = "Bearer secret"
    api = ApiClient(configuration)
    try:
        yield Cluster(api, "vk"), seen
    finally:
        await api.close()
        await runner.cleanup()


def answering(status, body):
    async def handler(request):
        return web.json_response(body, status=status)

    return handler


def streaming(*chunks):
    async def handler(request):
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "9"}})
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    return handler


def line(kind, item):
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


STATUS = {"kind": "Status", "message": "words of the server"}


@pytest.mark.parametrize(
    ("status", "error"),
    [(409, Conflict), (422, Refused), (400, Refused), (401, Unavailable), (403, Unavailable), (429, Unavailable)],
)
async def test_an_error_says_what_to_do_next_with_the_servers_words(status, error):
    async with cluster_with(answering(status, STATUS)) as (cluster, _):
        with pytest.raises(error, match="words of the server"):
            await cluster.patch_pod_status(pod(), {"metadata": {"uid": UID}, "status": {}})


async def test_a_server_error_and_an_answer_that_is_no_json_are_tried_again():
    async def html(request):
        return web.Response(text="<html>")

    for handler in (answering(500, STATUS), html):
        async with cluster_with(handler) as (cluster, _):
            with pytest.raises(Unavailable):
                await cluster.list_pods()


async def test_what_is_not_there_is_none_and_a_patch_of_it_an_error():
    async with cluster_with(answering(404, STATUS)) as (cluster, _):
        assert await cluster.get_object(Reference("Secret", "s"), "ns") is None
        with pytest.raises(NotFound):
            await cluster.patch_pod_status(pod(), {"status": {}})
        await cluster.remove_pod(pod())


async def test_a_removal_is_bound_to_the_pod_that_was_seen():
    async with cluster_with(answering(200, {})) as (cluster, seen):
        await cluster.remove_pod(pod())
    method, path, _, body = seen[0]
    assert (method, path) == ("DELETE", "/api/v1/namespaces/ns/pods/p")
    assert json.loads(body) == {"gracePeriodSeconds": 0, "preconditions": {"uid": UID}}


async def test_a_token_is_asked_for_this_pod_alone():
    async with cluster_with(answering(201, {"status": {"token": "eyJ"}})) as (cluster, seen):
        assert await cluster.request_token(pod(), TokenWish("v", "token", "vault", 1200)) == "eyJ"
    method, path, headers, body = seen[0]
    assert (method, path) == ("POST", "/api/v1/namespaces/ns/serviceaccounts/default/token")
    assert headers["Authorization"] == "Bearer secret"
    spec = json.loads(body)["spec"]
    assert spec["audiences"] == ["vault"]
    assert spec["expirationSeconds"] == 1200
    assert spec["boundObjectRef"]["uid"] == UID


async def test_only_pods_of_the_node_are_listed_and_their_history_is_dropped():
    item = pod(metadata={"managedFields": [{"manager": "kubectl"}]})
    async with cluster_with(answering(200, {"metadata": {"resourceVersion": "7"}, "items": [item]})) as (cluster, seen):
        listed = await cluster.list_pods()
    assert seen[-1][1] == "/api/v1/pods?fieldSelector=spec.nodeName%3Dvk"
    assert listed.resource_version == "7"
    assert "managedFields" not in listed.pods[0]["metadata"]


async def test_a_list_of_another_cluster_is_not_believed():
    uids = ["first", "second"]

    async def handler(request):
        return web.json_response({"metadata": {"uid": uids.pop(0)}, "items": []})

    async with cluster_with(handler) as (cluster, seen):
        assert await cluster.cluster_id() == "first"
        with pytest.raises(Unavailable, match="another cluster answers"):
            await cluster.list_pods()
    assert [path for _, path, _, _ in seen] == ["/api/v1/namespaces/kube-system"] * 2


async def test_lines_of_a_watch_may_be_cut_anywhere():
    whole = line("ADDED", pod(metadata={"resourceVersion": "8"})) + line(
        "BOOKMARK", {"metadata": {"resourceVersion": "9"}}
    )
    async with cluster_with(streaming(*(whole[at : at + 7] for at in range(0, len(whole), 7)))) as (cluster, seen):
        changes = [change async for change in cluster.watch_pods("7")]
    assert [(change.kind, change.resource_version) for change in changes] == [("ADDED", "8"), ("BOOKMARK", "9")]
    assert "resourceVersion=7" in seen[1][1]
    assert "allowWatchBookmarks=true" in seen[1][1]


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        pytest.param(answering(410, STATUS), Expired, id="refused at once"),
        pytest.param(streaming(line("ERROR", {"code": 410, "message": "too old"})), Expired, id="told in the stream"),
        pytest.param(streaming(line("ERROR", {"code": 500})), Unavailable, id="an error in the stream"),
        pytest.param(streaming(line("SHOUT", {})), BadOutput, id="an unknown kind"),
        pytest.param(streaming(b"<html>\n"), Unavailable, id="no JSON"),
    ],
)
async def test_a_watch_that_ends_badly_says_how(handler, error):
    async with cluster_with(handler) as (cluster, _):
        with pytest.raises(error):
            async for _ in cluster.watch_pods("7"):
                pass


async def test_a_name_with_odd_characters_stays_one_part_of_the_path():
    async with cluster_with(answering(404, STATUS)) as (cluster, seen):
        await cluster.get_object(Reference("ConfigMap", "../../secrets/x?y"), "ns")
    assert seen[0][1] == "/api/v1/namespaces/ns/configmaps/..%2F..%2Fsecrets%2Fx%3Fy"


async def test_a_server_that_is_not_there_is_unavailable():
    api = ApiClient(Configuration(host="http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match="does not answer"):
        await Cluster(api, "vk").list_pods()
    await api.close()


async def test_a_renewal_that_is_lost_is_given_up_while_there_is_time_for_another(monkeypatch):
    monkeypatch.setattr(cluster_module, "LEASE_TIMEOUT_S", 0.05)
    stop = asyncio.Event()

    async def silent(_):
        await stop.wait()
        return web.Response()

    async with cluster_with(silent) as (cluster, _):
        with pytest.raises(Unavailable, match="about the lease"):
            await cluster.patch_lease({"spec": {}})
        stop.set()


async def test_a_watch_that_may_be_dead_is_ended_and_can_be_made_again():
    stop = asyncio.Event()

    async def handler(request):
        if "watch" not in request.query:
            return web.json_response({})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(line("ADDED", pod(metadata={"resourceVersion": "8"})))
        await stop.wait()
        return response

    async with cluster_with(handler) as (cluster, _):
        changes = cluster.watch_pods("7")
        assert (await anext(changes)).resource_version == "8"
        cluster.renew_watch()
        with pytest.raises(Unavailable):
            async with asyncio.timeout(5):
                await anext(changes)
        stop.set()


async def test_tolerations_are_patched_whole_and_for_this_pod_alone():
    async with cluster_with(answering(200, {})) as (cluster, seen):
        await cluster.set_tolerations(pod(), [{"operator": "Exists"}])
    method, path, headers, body = seen[0]
    assert (method, path) == ("PATCH", "/api/v1/namespaces/ns/pods/p")
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert json.loads(body) == {"metadata": {"uid": UID}, "spec": {"tolerations": [{"operator": "Exists"}]}}


async def test_a_watch_beyond_a_restored_etcds_history_is_not_begun():
    """The API server would accept it and say nothing."""
    async with cluster_with(answering(200, {"metadata": {"resourceVersion": "9"}})) as (cluster, seen):
        with pytest.raises(Expired, match="restored"):
            await anext(cluster.watch_pods("10"))
    assert [path for _, path, _, _ in seen] == ["/api/v1/pods?fieldSelector=spec.nodeName%3Dvk&limit=1"]
