"""The node object through starts, outages and what a site says of itself."""

import asyncio
from dataclasses import replace

import pytest

from dte.interlink.virtual_kubelet.conditions import find_condition
from dte.interlink.virtual_kubelet.events import EventRecorder
from dte.interlink.virtual_kubelet.lease import HeldByAnother, NodeLease
from dte.interlink.virtual_kubelet.node_agent import NodeAgent
from dte.interlink.virtual_kubelet.ports import PingAnswer
from dte.interlink.virtual_kubelet.sweep import SweepHold
from dte.interlink.wire import Ping
from dte.runtime.errors import Unavailable
from tests.unit.virtual_kubelet.builders import ME
from tests.unit.virtual_kubelet.fakes import FakeClock, FakeCluster, FakeNodes, FakeSite, settle

RESOURCES = {"cpu": "128", "memory": "512Gi", "pods": "1000"}


class Setup:
    def __init__(self, settings):
        self.settings = settings
        self.nodes = FakeNodes()
        self.site = FakeSite()
        self.site.answer = PingAnswer(Ping(resources=RESOURCES), "ok")
        self.cluster = FakeCluster()
        self.clock = FakeClock()
        self.agent = self.fresh()

    def fresh(self, *, me=ME, alive=lambda _: False):
        events = EventRecorder(self.cluster, "vk", self.clock.time)
        self.hold = SweepHold()
        self.recoveries = 0
        lease = NodeLease(self.nodes, self.clock, node_name="vk", duration_s=40, me=me, alive=alive)
        return NodeAgent(
            self.nodes, self.site, events, self.clock, self.settings, "v0.1.0", lease, self.hold, self.recovered
        )

    def recovered(self):
        self.recoveries += 1

    async def beat(self):
        """What happens each PingInterval."""
        self.clock.now += 30
        await self.agent.ping()
        await self.agent.update()

    def taints(self):
        return {item["key"]: item["effect"] for item in self.nodes.node["spec"]["taints"]}

    def condition(self, kind):
        return find_condition(self.nodes.node["status"]["conditions"], kind)


async def settled_run(agent):
    """What an agent does at once; then its process dies."""
    task = asyncio.create_task(agent.run())
    await settle()
    agent._give_back = settle
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def setup(settings):
    return Setup(settings)


async def test_a_new_node_is_ready_and_complete_at_once(setup):
    await setup.agent.register()
    node = setup.nodes.node
    assert setup.condition("Ready")["status"] == "True"
    assert setup.condition("InterlinkConnectivity")["status"] == "True"
    assert node["status"]["capacity"] == node["status"]["allocatable"] == RESOURCES
    assert node["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 10250}}
    assert node["metadata"]["labels"]["virtual-node.interlink/type"] == "virtual-kubelet"
    assert setup.taints() == {"virtual-node.interlink/no-schedule": "NoSchedule"}


async def test_a_held_sweep_is_a_condition_that_says_how_to_go_on(setup):
    await setup.agent.register()
    assert setup.condition("InterlinkSweepHeld")["status"] == "False"
    setup.hold.orphans, setup.hold.jobs = 30, 40
    await setup.beat()
    condition = setup.condition("InterlinkSweepHeld")
    assert (condition["status"], condition["reason"]) == ("True", "TooManyOrphans")
    assert "kubectl annotate node vk virtual-node.interlink/release-sweep=30" in condition["message"]
    setup.hold.clear()
    await setup.beat()
    assert setup.condition("InterlinkSweepHeld")["status"] == "False"


@pytest.mark.parametrize(("orphans", "text", "released"), [(30, "30", 30), (0, "30", 0), (30, "all", 0)])
async def test_a_release_is_read_once_and_counts_only_while_something_is_held(setup, orphans, text, released):
    await setup.agent.register()
    setup.hold.orphans = orphans
    setup.nodes.node["metadata"]["annotations"]["virtual-node.interlink/release-sweep"] = text
    await setup.beat()
    assert setup.hold.released == released
    assert "virtual-node.interlink/release-sweep" not in setup.nodes.node["metadata"]["annotations"]


async def test_a_site_out_of_reach_leaves_the_node_ready_with_a_condition_a_taint_and_one_event(setup):
    await setup.agent.register()
    setup.site.is_down = True
    for _ in range(3):
        await setup.beat()
    assert setup.condition("Ready")["status"] == "True"
    assert setup.condition("InterlinkConnectivity")["reason"] == "InterlinkPingFailed"
    assert setup.taints()["virtual-node.interlink/site-unreachable"] == "NoSchedule"
    assert setup.cluster.reasons() == ["SiteUnreachable"]
    assert setup.nodes.node["status"]["capacity"] == RESOURCES


async def test_a_site_that_is_back_loses_the_taint(setup):
    await setup.agent.register()
    setup.site.is_down = True
    await setup.beat()
    setup.site.is_down = False
    await setup.beat()
    assert "virtual-node.interlink/site-unreachable" not in setup.taints()
    assert setup.cluster.reasons() == ["SiteUnreachable", "SiteReachable"]


async def test_a_condition_keeps_the_time_of_its_last_change(setup):
    await setup.agent.register()
    since = setup.condition("InterlinkConnectivity")["lastTransitionTime"]
    await setup.beat()
    await setup.beat()
    assert setup.condition("InterlinkConnectivity")["lastTransitionTime"] == since
    setup.site.is_down = True
    await setup.beat()
    assert setup.condition("InterlinkConnectivity")["lastTransitionTime"] > since


async def test_an_unchanged_node_is_written_once_a_minute_at_most(setup):
    await setup.agent.register()
    setup.nodes.writes.clear()
    for _ in range(4):
        await setup.beat()
    assert setup.nodes.writes == ["patch status", "patch status"]


async def test_taints_of_the_site_come_and_go_and_those_of_others_stay(setup):
    await setup.agent.register()
    foreign = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    setup.nodes.node["spec"]["taints"].append(foreign)
    drained = {"key": "virtual-node.interlink/drained", "value": "true", "effect": "NoSchedule"}
    setup.site.answer = PingAnswer(Ping(taints=(drained,)), "ok")
    await setup.beat()
    assert setup.taints().keys() == {
        "virtual-node.interlink/no-schedule",
        "virtual-node.interlink/drained",
        "node.kubernetes.io/unschedulable",
    }
    setup.site.answer = PingAnswer(Ping(taints=None), "ok")
    await setup.beat()
    assert "virtual-node.interlink/drained" in setup.taints()
    setup.site.answer = PingAnswer(Ping(taints=()), "ok")
    await setup.beat()
    assert setup.taints().keys() == {"virtual-node.interlink/no-schedule", "node.kubernetes.io/unschedulable"}


async def test_a_restart_takes_away_the_taints_that_an_earlier_run_set(setup):
    drained = {"key": "virtual-node.interlink/drained", "value": "true", "effect": "NoSchedule"}
    setup.site.answer = PingAnswer(Ping(resources=RESOURCES, taints=(drained,)), "ok")
    await setup.agent.register()
    setup.site.answer = PingAnswer(Ping(resources=RESOURCES), "ok")
    setup.agent = setup.fresh()
    await setup.agent.register()
    assert setup.taints() == {"virtual-node.interlink/no-schedule": "NoSchedule"}


async def test_a_restart_during_an_outage_keeps_the_capacity(setup):
    await setup.agent.register()
    setup.site.is_down = True
    setup.agent = setup.fresh()
    await setup.agent.register()
    assert setup.nodes.node["status"]["capacity"] == RESOURCES


async def test_a_resource_that_the_site_no_longer_has_is_removed_by_a_restart(setup):
    gpus = [{"resourceType": "nvidia.com/gpu", "available": "8"}]
    setup.site.answer = PingAnswer(Ping(resources={**RESOURCES, "accelerators": gpus}), "ok")
    await setup.agent.register()
    assert setup.nodes.node["status"]["capacity"]["nvidia.com/gpu"] == "8"
    setup.site.answer = PingAnswer(Ping(resources=RESOURCES), "ok")
    setup.agent = setup.fresh()
    await setup.agent.register()
    assert setup.nodes.node["status"]["capacity"] == RESOURCES


async def test_amounts_that_are_no_amounts_leave_the_node_as_it_was(setup):
    await setup.agent.register()
    gpus = [
        {"resourceType": "gpu", "available": "1"},
        "x",
        {"available": "1"},
        {"resourceType": "a/b c", "available": "1"},
    ]
    bad = {"cpu": "-1", "memory": "lots", "swap": "1Gi", "accelerators": gpus}
    setup.site.answer = PingAnswer(Ping(resources=bad), "ok")
    await setup.beat()
    assert setup.nodes.node["status"]["capacity"] == RESOURCES


async def test_a_node_that_somebody_deleted_is_created_again(setup):
    await setup.agent.register()
    setup.nodes.node = None
    await setup.beat()
    assert setup.condition("Ready")["status"] == "True"


async def test_a_change_by_somebody_else_in_between_is_kept(setup):
    await setup.agent.register()
    drained = {"key": "virtual-node.interlink/drained", "value": "true", "effect": "NoSchedule"}
    setup.site.answer = PingAnswer(Ping(taints=(drained,)), "ok")
    foreign = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    read = setup.nodes.get_node

    async def read_and_then_somebody_cordons():
        node = await read()
        setup.nodes.node["spec"]["taints"].append(foreign)
        setup.nodes.node["metadata"]["resourceVersion"] = "99"
        setup.nodes.get_node = read
        return node

    setup.nodes.get_node = read_and_then_somebody_cordons
    setup.clock.now -= 1  # the status is not due: nothing but the taints is written
    await setup.beat()
    assert {"virtual-node.interlink/drained", "node.kubernetes.io/unschedulable"} <= setup.taints().keys()


async def test_a_taint_that_the_cluster_would_refuse_does_not_stop_the_rest(setup):
    await setup.agent.register()
    bad = [
        {"key": "bad key!", "effect": "NoSchedule"},
        {"key": "site.example/x", "value": "no spaces", "effect": "NoSchedule"},
        {"key": "site.example/x", "effect": ["NoSchedule"]},
        {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},
    ]
    good = {"key": "site.example/maintenance", "value": "true", "effect": "NoSchedule"}
    setup.site.answer = PingAnswer(Ping(taints=(*bad, good)), "ok")
    await setup.beat()
    assert setup.taints().keys() == {"virtual-node.interlink/no-schedule", "site.example/maintenance"}


async def test_a_recovery_of_the_cluster_is_told_once(setup):
    await setup.agent.register()
    task = asyncio.create_task(setup.agent.run())
    await settle()
    setup.nodes.fail_with = Unavailable("cut")
    await setup.clock.advance(60)
    assert setup.recoveries == 0
    setup.nodes.fail_with = None
    await setup.clock.advance(60)
    assert setup.recoveries == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_node_kept_by_another_process_is_left_alone_with_an_event(setup):
    other = setup.fresh(me=replace(ME, pid=2))
    await other.register()
    await settled_run(other)
    setup.agent = setup.fresh(alive=lambda _: True)
    before = list(setup.nodes.writes)
    with pytest.raises(HeldByAnother, match="kept by another virtual kubelet"):
        await setup.agent.register()
    assert setup.nodes.writes == before
    assert setup.cluster.reasons() == ["NodeHeldByAnother"]
