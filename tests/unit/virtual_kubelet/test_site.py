"""The client of the interLink API against a server in this process."""

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from dte.interlink.virtual_kubelet.ports import SiteUnavailable
from dte.interlink.virtual_kubelet.site import InterlinkSite, slim_pod
from dte.interlink.wire import CreateRequest, LogOptions, LogRequest
from dte.runtime.address import UnixAddress
from dte.runtime.errors import Malformed, NotFound, Refused
from tests.unit.virtual_kubelet.builders import UID, pod


@asynccontextmanager
async def site_with(path, *, token_file=None, **answers):
    """A client, and the requests that a server with these answers (status, body, headers) saw."""
    seen = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((request.method, dict(request.headers), await request.read()))
        status, body, headers = answers[request.path.strip("/")]
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        async with InterlinkSite(UnixAddress(path), node_name="vk", token_file=token_file) as site:
            site.owner_id = "cluster/vk"
            yield site, seen
    finally:
        await runner.cleanup()


REQUEST = CreateRequest(pod())
ACCEPTED = json.dumps({"PodUID": UID, "PodJID": "29", "warnings": ["image ignored"]}).encode()


async def test_a_create_gives_the_job_and_the_warnings(tmp_path):
    async with site_with(tmp_path / "s", create=(200, ACCEPTED, {})) as (site, seen):
        answer = await site.create(REQUEST)
    assert (answer.job_id, list(answer.warnings)) == ("29", ["image ignored"])
    method, headers, body = seen[0]
    assert method == "POST"
    assert headers["InterLink-Owner"] == "cluster/vk"
    assert headers["InterLink-Node"] == "vk"
    assert headers["InterLink-Http-Session"].startswith("CreatePod#")
    assert json.loads(body)["pod"]["metadata"]["uid"] == UID


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(422, b"Invalid account", Refused, id="refused"),
        pytest.param(400, b"no uid", Malformed, id="malformed"),
        pytest.param(500, b"", SiteUnavailable, id="plugin not reached"),
        pytest.param(503, b"busy", SiteUnavailable, id="busy"),
        pytest.param(404, b"404 page not found", SiteUnavailable, id="a wrong address fails no pod"),
        pytest.param(200, b"<html>", SiteUnavailable, id="an answer that is no JSON fails no pod"),
        pytest.param(200, b"[]", SiteUnavailable, id="an answer of another shape"),
        pytest.param(200, b'{"PodUID":"another","PodJID":"1"}', SiteUnavailable, id="the job of another pod"),
    ],
)
async def test_an_answer_becomes_the_error_that_says_what_to_do(tmp_path, status, body, error):
    async with site_with(tmp_path / "s", create=(status, body, {})) as (site, _):
        with pytest.raises(error):
            await site.create(REQUEST)


async def test_a_site_that_is_not_there_is_unavailable(tmp_path):
    async with InterlinkSite(UnixAddress(tmp_path / "absent"), node_name="vk") as site:
        with pytest.raises(SiteUnavailable, match="does not answer"):
            await site.ping()


async def test_deleting_what_the_site_does_not_know_is_fine(tmp_path):
    async with site_with(tmp_path / "s", delete=(404, b"unknown", {})) as (site, seen):
        await site.delete(pod())
    assert seen[0][0] == "DELETE"


async def test_statuses_say_whether_they_are_complete(tmp_path):
    body = json.dumps([{"name": "p", "UID": UID, "namespace": "ns", "JID": "29", "containers": None}]).encode()
    async with site_with(tmp_path / "s", status=(200, body, {})) as (site, _):
        answer = await site.statuses([pod()])
    assert [item.uid for item in answer.statuses] == [UID]
    assert answer.is_complete
    async with site_with(tmp_path / "t", status=(200, b"null", {"InterLink-Incomplete": "twin01"})) as (site, _):
        answer = await site.statuses([pod()])
    assert list(answer.statuses) == []
    assert not answer.is_complete


async def test_a_ping_of_plain_text_is_an_answer(tmp_path):
    async with site_with(tmp_path / "s", pinglink=(200, b"PARTITION up", {})) as (site, _):
        answer = await site.ping()
    assert answer.ping.resources is None
    assert answer.text == "PARTITION up"


async def test_the_token_is_read_for_every_request_and_trimmed(tmp_path):
    token = tmp_path / "token"
    async with site_with(tmp_path / "s", token_file=token, pinglink=(200, b"ok", {})) as (site, seen):
        with pytest.raises(SiteUnavailable, match="VKTokenFile"):
            await site.ping()
        for text in ("first\n", "second"):
            token.write_text(text)
            await site.ping()
    assert [headers["Authorization"] for _, headers, _ in seen] == ["Bearer first", "Bearer second"]


async def test_logs_come_as_they_are_and_an_unknown_pod_is_told(tmp_path):
    request = LogRequest("ns", UID, "p", "c", LogOptions(tail=3))
    answer = (200, b"a\x00\xffb\n", {})
    async with site_with(tmp_path / "s", getLogs=answer) as (site, seen), site.logs(request) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"a\x00\xffb\n"
    assert json.loads(seen[0][2])["Opts"]["Tail"] == 3
    async with site_with(tmp_path / "t", getLogs=(404, b"no such pod", {})) as (site, _):
        with pytest.raises(NotFound, match="no such pod"):
            async with site.logs(request):
                pass


def test_a_status_request_carries_little_of_a_pod():
    big = pod(metadata={"annotations": {"JobID": "29", "other": "x" * 10_000}, "labels": {"a": "b"}})
    slim = slim_pod(big)
    assert slim["metadata"] == {"name": "p", "namespace": "ns", "uid": UID, "annotations": {"JobID": "29"}}
    assert len(json.dumps(slim)) < 500
