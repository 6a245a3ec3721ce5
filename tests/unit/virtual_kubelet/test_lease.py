"""The lease: who keeps the node, and how long one that is gone keeps others out."""

from dataclasses import replace

import pytest

from dte.interlink.virtual_kubelet.lease import HOLDER_ANNOTATION, HeldByAnother, NodeLease, TakenOver
from dte.runtime.errors import Unavailable
from tests.unit.virtual_kubelet.builders import ME
from tests.unit.virtual_kubelet.fakes import FakeClock, FakeNodes

NODE = {"metadata": {"name": "vk", "uid": "node-uid"}}
OTHER = replace(ME, host="elsewhere", boot_id="other")


class Setup:
    def __init__(self):
        self.nodes = FakeNodes()
        self.clock = FakeClock()

    def lease(self, me=ME, *, alive=None):
        return NodeLease(self.nodes, self.clock, node_name="vk", duration_s=40, me=me, alive=lambda _: alive)

    async def held(self, me=ME):
        """A lease that its holder keeps."""
        lease = self.lease(me)
        await lease.acquire()
        await lease.renew(NODE)
        return lease

    def renew_time(self):
        return self.nodes.lease["spec"]["renewTime"]


@pytest.fixture
def setup():
    return Setup()


async def test_a_lease_is_created_with_the_node_as_owner_then_renewed(setup):
    lease = await setup.held()
    assert setup.nodes.lease["spec"]["leaseDurationSeconds"] == 40
    assert setup.nodes.lease["spec"]["holderIdentity"] == "vk"
    assert setup.nodes.lease["metadata"]["ownerReferences"][0]["uid"] == "node-uid"
    first = setup.renew_time()
    setup.clock.now += 10
    await lease.renew(NODE)
    assert setup.renew_time() > first
    assert setup.nodes.writes == ["create lease", "renew lease"]


@pytest.mark.parametrize("alive", [True, None])
async def test_a_holder_that_lives_or_may_live_keeps_others_out(setup, alive):
    await setup.held(OTHER)
    with pytest.raises(HeldByAnother, match="elsewhere"):
        await setup.lease(alive=alive).acquire()


async def test_a_holder_that_renews_keeps_others_out_for_ever(setup):
    other = await setup.held(OTHER)
    mine = setup.lease()
    for _ in range(30):
        setup.clock.now += 10
        await other.renew(NODE)
        with pytest.raises(HeldByAnother):
            await mine.acquire()


async def test_a_holder_that_stopped_renewing_is_replaced_after_the_leases_duration(setup):
    await setup.held(OTHER)
    mine = setup.lease()
    with pytest.raises(HeldByAnother):
        await mine.acquire()
    setup.clock.now += 40
    with pytest.raises(HeldByAnother):
        await mine.acquire()
    setup.clock.now += 1
    await mine.acquire()
    await mine.renew(NODE)
    assert '"host":"federation"' in setup.nodes.lease["metadata"]["annotations"][HOLDER_ANNOTATION]


async def test_a_clock_of_another_host_that_is_far_off_changes_nothing(setup):
    await setup.held(OTHER)
    setup.nodes.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    with pytest.raises(HeldByAnother):
        await setup.lease().acquire()


async def test_a_dead_holder_of_this_host_is_replaced_at_once(setup):
    await setup.held(replace(ME, pid=999))
    mine = setup.lease(alive=False)
    await mine.acquire()
    await mine.renew(NODE)
    assert '"pid":1000' in setup.nodes.lease["metadata"]["annotations"][HOLDER_ANNOTATION]


async def test_a_lease_that_was_given_back_is_free(setup):
    lease = await setup.held(OTHER)
    await lease.release()
    await setup.lease(alive=True).acquire()


@pytest.mark.parametrize("annotations", [{}, {HOLDER_ANNOTATION: "not JSON"}], ids=["none", "broken"])
async def test_a_lease_whose_holder_is_not_told_is_taken(setup, annotations):
    await setup.held(OTHER)
    setup.nodes.lease["metadata"]["annotations"] = annotations
    await setup.lease(alive=True).acquire()


async def test_a_holder_that_was_replaced_meanwhile_ends(setup):
    lease = await setup.held()
    taker = setup.lease(OTHER, alive=False)
    await taker.acquire()
    await taker.renew(NODE)
    with pytest.raises(TakenOver, match="elsewhere"):
        await lease.renew(NODE)


async def test_of_two_that_start_together_one_ends(setup):
    first, second = setup.lease(), setup.lease(OTHER)
    await first.acquire()
    await second.acquire()
    await first.renew(NODE)
    with pytest.raises(TakenOver):
        await second.renew(NODE)


async def test_a_lease_that_somebody_annotated_is_renewed_with_the_next_try(setup):
    lease = await setup.held()
    setup.nodes.lease["metadata"]["resourceVersion"] = "17"
    with pytest.raises(Unavailable):
        await lease.renew(NODE)
    await lease.renew(NODE)
    assert setup.nodes.writes[-1] == "renew lease"


async def test_a_lease_that_went_with_its_node_is_made_again(setup):
    lease = await setup.held()
    setup.nodes.lease = None
    with pytest.raises(Unavailable):
        await lease.renew(NODE)
    await lease.renew(NODE)
    assert setup.nodes.writes[-1] == "create lease"
