"""The client of the interLink API against a server in this process."""

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from dte.interlink.virtual_kubelet.ports import NoWatch, SiteUnavailable
from dte.interlink.virtual_kubelet.site import InterlinkSite, slim_pod
from dte.interlink.watch.lines import PodLine, SyncedLine, encode_line
from dte.interlink.wire import CreateRequest, LogOptions, LogRequest
from dte.runtime.address import UnixAddress
from dte.runtime.errors import Malformed, NotFound, Refused
from tests.unit.virtual_kubelet.builders import UID, pod, report


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
    async with serving(app, path, token_file=token_file) as site:
        yield site, seen


@asynccontextmanager
async def serving(app, path, *, token_file=None):
    """A client of `app`."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        async with InterlinkSite(UnixAddress(path), node_name="vk", token_file=token_file) as site:
            site.owner_id = "cluster/vk"
            yield site
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


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_site_without_a_stream_of_changes_says_so(tmp_path, status):
    async with site_with(tmp_path / "s", watch=(status, b"404 page not found", {})) as (site, _):
        with pytest.raises(NoWatch):
            async with site.watch():
                pass


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        pytest.param(503, b"records are being read", SiteUnavailable, id="again"),
        pytest.param(401, b"token expired", SiteUnavailable, id="refused token"),
        pytest.param(200, b"<html>\n", Malformed, id="something else"),
    ],
)
async def test_a_stream_that_cannot_be_had_or_read_is_an_error(tmp_path, status, body, error):
    async with site_with(tmp_path / "s", watch=(status, body, {"Retry-After": "7"})) as (site, _):
        with pytest.raises(error):
            async with site.watch() as lines:
                [line async for line in lines]


async def test_a_stream_tells_lines_until_the_site_closes_it(tmp_path):
    body = encode_line(PodLine(report(), 1)) + encode_line(SyncedLine("i"))
    async with site_with(tmp_path / "s", watch=(200, body, {})) as (site, seen), site.watch() as stream:
        told = [line async for lines in stream for line in lines]
    assert [type(line) for line in told] == [PodLine, SyncedLine]
    assert seen[0][1]["InterLink-Owner"] == "cluster/vk"


async def test_a_stream_that_breaks_in_the_middle_is_unavailable(tmp_path):
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(encode_line(SyncedLine("i")))
        request.transport.abort()
        return response

    app = web.Application()
    app.router.add_get("/watch", handle)
    async with serving(app, tmp_path / "s") as site:
        with pytest.raises(SiteUnavailable):
            async with site.watch() as stream:
                [lines async for lines in stream]


def test_a_status_request_carries_little_of_a_pod():
    big = pod(metadata={"annotations": {"JobID": "29", "other": "x" * 10_000}, "labels": {"a": "b"}})
    slim = slim_pod(big)
    assert slim["metadata"] == {"name": "p", "namespace": "ns", "uid": UID, "annotations": {"JobID": "29"}}
    assert len(json.dumps(slim)) < 500
