"""The stream of pods through every break of the watch."""

import asyncio

import pytest

from dte.interlink.virtual_kubelet.pod_watch import Changed, Listed, PodWatch, Removed
from dte.interlink.virtual_kubelet.sweep import is_too_many
from dte.runtime.errors import BadOutput, Unavailable
from tests.unit.virtual_kubelet.builders import UID, pod
from tests.unit.virtual_kubelet.fakes import GONE, FakeClock, FakeCluster, settle


class Follower:
    def __init__(self):
        self.cluster, self.clock = FakeCluster(), FakeClock()
        self.watch = PodWatch(self.cluster, self.clock, lambda: 0.0)
        self.kinds = []

    async def follow(self):
        async for news in self.watch.news():
            self.kinds.append(type(news))


@pytest.fixture
async def follower():
    setup = Follower()
    task = asyncio.create_task(setup.follow())
    await settle()
    yield setup
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_lists_once_and_then_follows(follower):
    follower.cluster.apply(pod())
    follower.cluster.delete(UID, grace_s=0)
    await settle()
    assert follower.kinds == [Listed, Changed, Removed]


async def test_a_watch_that_the_server_ends_goes_on_without_a_new_list(follower):
    follower.cluster.break_watch(None)
    await settle()
    follower.cluster.apply(pod())
    await settle()
    assert follower.kinds == [Listed, Changed]


@pytest.mark.parametrize("error", [GONE, BadOutput("a line that is no JSON")])
def test_what_cannot_be_continued_is_listed_again(error):
    async def scenario():
        setup = Follower()
        task = asyncio.create_task(setup.follow())
        await settle()
        setup.cluster.break_watch(error)
        await setup.clock.advance(60)
        task.cancel()
        return setup.kinds

    assert asyncio.run(scenario()) == [Listed, Listed]


async def test_an_api_server_that_is_down_is_waited_for_and_known_to_be_down(follower):
    follower.cluster.fail_with = Unavailable("connection refused")
    follower.cluster.break_watch(Unavailable("connection reset"))
    await follower.clock.advance(300)
    assert follower.watch.broken_since is not None
    follower.cluster.fail_with = None
    await follower.clock.advance(60)
    follower.cluster.apply(pod())
    await settle()
    assert follower.kinds == [Listed, Changed]
    assert follower.watch.broken_since is None


@pytest.mark.parametrize(
    ("gone", "known", "verdict"),
    [(20, 20, False), (21, 21, True), (21, 300, False), (50, 300, True), (0, 0, False)],
)
def test_few_pods_may_vanish_at_once_and_most_may_not(gone, known, verdict):
    assert is_too_many(gone, known) is verdict
