"""The hub: whole state first, then changes, of a pod the newest only, and to nobody what is not theirs."""

import asyncio

from dte.interlink import wire
from dte.interlink.watch.hub import WatchHub
from dte.interlink.watch.lines import GoneLine, PodLine, SyncedLine


def status(uid: str, job_id: str = "1") -> wire.PodStatus:
    return wire.PodStatus(f"pod-{uid}", uid, "default", job_id, ({"name": "c"},))


async def test_a_reader_begins_with_the_whole_state() -> None:
    hub = WatchHub()
    hub.publish(status("a"))
    hub.publish(status("b"))
    with hub.reader() as reader:
        *pods, synced = await reader.lines()
    assert [(line.uid, line.rev) for line in pods if isinstance(line, PodLine)] == [("a", 1), ("b", 2)]
    assert isinstance(synced, SyncedLine)
    assert not synced.incomplete


async def test_a_slow_reader_hears_the_newest_of_a_pod() -> None:
    hub = WatchHub()
    with hub.reader() as reader:
        await reader.lines()
        for job_id in ("1", "2", "3"):
            hub.publish(status("a", job_id))
        hub.publish(status("b"))
        heard = await reader.lines()
    assert [(line.uid, line.status.job_id) for line in heard if isinstance(line, PodLine)] == [("a", "3"), ("b", "1")]


async def test_the_same_again_is_no_news() -> None:
    hub = WatchHub()
    hub.publish(status("a"), owner="me")
    with hub.reader() as reader:
        await reader.lines()
        hub.publish(status("a"), owner="me")
        waiting = asyncio.ensure_future(reader.lines())
        await asyncio.sleep(0)
        assert not waiting.done()
        hub.publish(status("a"), owner="me", deleted=True)
        (line,) = await waiting
    assert isinstance(line, PodLine)
    assert (line.deleted, line.rev) == (True, 2)


async def test_a_forgotten_pod_is_gone_once() -> None:
    hub = WatchHub()
    hub.publish(status("a"))
    with hub.reader() as reader:
        await reader.lines()
        hub.forget("a")
        hub.forget("a")
        hub.forget("never seen")
        assert await reader.lines() == [GoneLine("a", 2)]
    assert hub.get("a") is None
    assert hub.all() == ()


async def test_a_reader_hears_of_its_own_pods_only() -> None:
    hub = WatchHub()
    hub.publish(status("mine"), owner="me")
    hub.publish(status("theirs"), owner="them")
    with hub.reader(lambda line: line.owner == "me") as reader:
        first = await reader.lines()
        hub.publish(status("theirs", "2"), owner="them")
        hub.forget("theirs")
        hub.publish(status("mine", "2"), owner="me")
        later = await reader.lines()
    assert [line.uid for line in (*first, *later) if isinstance(line, PodLine | GoneLine)] == ["mine", "mine"]


async def test_readers_hear_when_the_state_becomes_complete() -> None:
    hub = WatchHub()
    hub.set_complete(False)
    with hub.reader() as reader:
        (before,) = await reader.lines()
        hub.publish(status("a"))
        hub.set_complete(True)
        *_, after = await reader.lines()
    assert isinstance(before, SyncedLine)
    assert isinstance(after, SyncedLine)
    assert (before.incomplete, after.incomplete) == (True, False)
    assert before.instance == after.instance
