"""The kubelet's routes, over plain HTTP; who may call is TLS's business and tried against the real API server."""

import contextlib

import aiohttp
import pytest
from aiohttp import web

from dte.interlink.virtual_kubelet.kubelet import kubelet_application
from dte.interlink.virtual_kubelet.ports import SiteUnavailable
from dte.interlink.virtual_kubelet.record import PodRecord
from dte.interlink.virtual_kubelet.registry import PodRegistry
from dte.runtime.errors import Refused
from tests.unit.virtual_kubelet.builders import UID, pod
from tests.unit.virtual_kubelet.fakes import FakeClock, FakeSite


class LogSite(FakeSite):
    """Gives chunks, then the error if there is one."""

    def __init__(self, *chunks, error=None):
        super().__init__()
        self.chunks, self.error, self.asked = chunks, error, []

    @contextlib.asynccontextmanager
    async def logs(self, request):
        async def stream():
            for chunk in self.chunks:
                yield chunk
            if self.error is not None:
                raise self.error

        self.asked.append(request)
        yield stream()


@contextlib.asynccontextmanager
async def kubelet(site, *pods):
    registry = PodRegistry()
    for item in pods:
        registry.add(PodRecord(item, predates_us=False))
    runner = web.AppRunner(kubelet_application(registry, site, FakeClock()), access_log=None, handler_cancellation=True)
    await runner.setup()
    await (server := web.TCPSite(runner, "127.0.0.1", 0)).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            yield session
    finally:
        await server.stop()
        await runner.cleanup()


def submitted(**more):
    return pod(init=("i",), metadata={"annotations": {"JobID": "29"}}, **more)


async def get(session, path):
    async with session.get(path) as answer:
        return answer.status, await answer.read()


async def test_a_log_comes_byte_for_byte_and_for_init_containers_too():
    site = LogSite(b"one \xff\n", b"two\n")
    async with kubelet(site, submitted()) as session:
        assert await get(session, "/containerLogs/ns/p/c?tailLines=5&timestamps=true") == (200, b"one \xff\ntwo\n")
        assert (await get(session, "/containerLogs/ns/p/i"))[0] == 200
    first, second = site.asked
    assert (first.pod_uid, first.container, first.options.tail, first.options.timestamps) == (UID, "c", 5, True)
    assert second.container == "i"


async def test_a_log_is_cut_at_the_limit_when_the_site_was_asked_for_a_tail():
    async with kubelet(LogSite(b"12345", b"67890"), submitted()) as session:
        assert await get(session, "/containerLogs/ns/p/c?tailLines=1&limitBytes=7") == (200, b"1234567")


async def test_a_log_that_breaks_off_does_not_look_like_one_that_ended():
    async with kubelet(LogSite(b"one\n", error=SiteUnavailable("reset")), submitted()) as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            await get(session, "/containerLogs/ns/p/c")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/containerLogs/ns/absent/c", 404, b"not on this node"),
        ("/containerLogs/ns/p/absent", 404, b"it has i, c"),
        ("/containerLogs/ns/p/c?tailLines=x", 400, b"tailLines must be a number"),
        ("/exec/ns/p/c?command=id", 501, b"exec is not supported"),
        ("/stats/summary", 501, b"stats is not supported"),
    ],
)
async def test_what_cannot_be_served_says_why(path, status, words):
    async with kubelet(LogSite(), submitted()) as session:
        answered, body = await get(session, path)
    assert answered == status
    assert words in body


async def test_a_pod_without_a_job_is_waiting_to_start():
    async with kubelet(LogSite(), pod()) as session:
        status, body = await get(session, "/containerLogs/ns/p/c")
    assert status == 400
    assert b"waiting to start" in body


async def test_the_lists_of_pods_are_pod_lists():
    running = submitted(status={"phase": "Running"})
    other = pod(name="q", uid="55664d6c-d131-4249-bf8c-0fe5c2a8be0b")
    async with kubelet(LogSite(), running, other) as session:
        async with session.get("/pods") as answer:
            everything = await answer.json()
        async with session.get("/runningpods/") as answer:
            only_running = await answer.json()
    assert everything["kind"] == "PodList"
    assert {item["metadata"]["name"] for item in everything["items"]} == {"p", "q"}
    assert [item["metadata"]["name"] for item in only_running["items"]] == ["p"]


class RefusingSite(FakeSite):
    """Has no log to give."""

    @contextlib.asynccontextmanager
    async def logs(self, request):
        raise Refused("container 'c' has written no log")
        yield


async def test_a_log_that_the_site_refuses_is_told_in_its_words():
    async with kubelet(RefusingSite(), submitted()) as session:
        assert await get(session, "/containerLogs/ns/p/c") == (400, b"container 'c' has written no log")


async def test_a_pod_that_was_refused_does_not_wait_to_start():
    refused = pod(status={"phase": "Failed", "message": "sbatch refused it: Invalid account"})
    async with kubelet(FakeSite(), refused) as session:
        status, text = await get(session, "/containerLogs/ns/p/c")
    assert (status, b"never ran: sbatch refused it: Invalid account" in text) == (400, True)
