"""Events: each fact once, counted, never a flood."""

from dte.interlink.virtual_kubelet.events import EventRecorder
from dte.interlink.virtual_kubelet.notes import Note
from dte.runtime.errors import NotFound, Unavailable
from tests.unit.virtual_kubelet.builders import pod
from tests.unit.virtual_kubelet.fakes import FakeClock, FakeCluster

NOTE = Note("CreateDelayed", "the site is down")


def recorder():
    cluster, clock = FakeCluster(), FakeClock()
    return cluster, clock, EventRecorder(cluster, "vk", clock.time)


async def test_an_event_names_the_pod_its_reason_and_who_says_so():
    cluster, _, events = recorder()
    await events.record(pod(), NOTE)
    (event,) = cluster.events
    assert event["involvedObject"]["name"] == "p"
    assert event["metadata"]["namespace"] == "ns"
    assert (event["reason"], event["type"], event["count"]) == ("CreateDelayed", "Warning", 1)
    assert event["source"] == {"component": "virtual-kubelet", "host": "vk"}


async def test_a_repeated_fact_is_counted_and_written_every_five_minutes():
    cluster, clock, events = recorder()
    for _ in range(61):
        await events.record(pod(), NOTE)
        clock.now += 10
    assert len(cluster.events) == 1
    assert cluster.writes == ["event CreateDelayed"] * 3
    assert cluster.events[0]["count"] == 61


async def test_two_pods_and_two_reasons_are_four_facts():
    cluster, _, events = recorder()
    for uid in ("45664d6c-d131-4249-bf8c-0fe5c2a8be0b", "55664d6c-d131-4249-bf8c-0fe5c2a8be0b"):
        await events.record(pod(uid=uid), NOTE)
        await events.record(pod(uid=uid), Note("DeleteDelayed", "x"))
    assert len(cluster.events) == 4


async def test_an_event_whose_time_is_over_is_made_anew():
    cluster, clock, events = recorder()
    await events.record(pod(), NOTE)

    async def gone(event, patch):
        raise NotFound("no such event")

    cluster.patch_event = gone
    clock.now += 3700
    await events.record(pod(), NOTE)
    assert len(cluster.events) == 2


async def test_an_event_that_cannot_be_written_stops_nobody():
    cluster, _, events = recorder()
    cluster.fail_with = Unavailable("the API server is down")
    await events.record(pod(), NOTE)
    assert cluster.events == []


async def test_a_long_message_is_cut_to_what_the_api_accepts():
    cluster, _, events = recorder()
    await events.record(pod(), Note("ProviderFailed", "x" * 5000))
    assert len(cluster.events[0]["message"]) == 1024
