import json
import shlex
from pathlib import Path

import pytest

from dte.interlink import wire
from dte.interlink.sidecars.slurm.capacity import Capacity, is_usable
from dte.interlink.sidecars.slurm.drain import DrainFile
from dte.interlink.sidecars.slurm.parse import NodeLine
from dte.runtime.errors import Refused, Unavailable
from dte.runtime.files import FilePool
from tests.unit.interlink_slurm.fake_slurm import FakeSlurm, Fault
from tests.unit.interlink_slurm.pods import some_settings
from tests.unit.interlink_slurm.site import Clock

CPU = NodeLine("c1", 128, 256000, "mix", True, (), "cpu")
LARGE = NodeLine("c1", 128, 256000, "mix", True, (), "large")
GPU = NodeLine("g1", 64, 512000, "idle", True, (("gpu:h100", 4),), "gpu")
KEYS = {
    "Nodes": {
        "vega-cpu": {"Partitions": ["cpu", "large"], "Taints": [{"Key": "own", "Value": "1"}]},
        "vega-gpu": {"Partitions": ["gpu"]},
    },
    "Flavors": {"gpu": {"Partition": "gpu", "GresMap": {"nvidia.com/gpu": "gpu"}}},
    "Taints": [{"Key": "site", "Value": "x", "Effect": "NoExecute"}],
    "MaxJobs": 500,
}


DRAINED = "virtual-node.interlink/drained"
NO_DRAIN = Path("/nonexistent/drain.json")


def capacity(*lines, clock=None, drain_file=NO_DRAIN, **keys):
    slurm = FakeSlurm()
    slurm.node_lines = lines
    clock = clock or Clock()
    drains = DrainFile(drain_file, "twin01", FilePool(workers=1))
    settings = some_settings(**{**KEYS, **keys})
    return Capacity(settings, slurm, drains, clock=clock, wall_clock=clock), slurm


async def test_a_node_has_the_total_of_its_partitions_each_host_once():
    ping = await capacity(CPU, LARGE, GPU)[0].ping("vega-cpu")

    assert ping.resources == {
        "cpu": "128",
        "memory": "256000Mi",
        "pods": "500",
        "accelerators": [{"resourceType": "nvidia.com/gpu", "available": "0"}],
    }
    assert [taint["key"] for taint in ping.taints] == ["site", "own"]


async def test_accelerators_are_counted_through_the_map():
    ping = await capacity(CPU, GPU)[0].ping("vega-gpu")

    assert ping.resources["accelerators"] == [{"resourceType": "nvidia.com/gpu", "available": "4"}]


async def test_a_node_whose_hosts_are_all_out_of_use_is_tainted():
    drained = NodeLine("g1", 64, 512000, "drain", True, (), "gpu")

    ping = await capacity(CPU, drained)[0].ping("vega-gpu")

    taints = json.loads(wire.encode_ping(ping))["taints"]
    assert {"key": DRAINED, "value": "true", "effect": "NoSchedule"} in taints


@pytest.mark.parametrize(
    ("state", "is_up", "usable"),
    [
        ("idle", True, True),
        ("mix", True, True),
        ("alloc", True, True),
        ("resv", True, True),
        ("idle~", True, True),
        ("idle*", True, False),
        ("down", True, False),
        ("drng", True, False),
        ("maint", True, False),
        ("idle", False, False),
    ],
)
def test_a_host_is_usable_when_new_jobs_may_start(state, is_up, usable):
    assert is_usable(NodeLine("n", 1, 1, state, is_up, (), "p")) is usable


async def test_sinfo_is_asked_once_a_minute_for_all_nodes():
    clock = Clock()
    pings, slurm = capacity(CPU, GPU, clock=clock)

    for node in ("vega-cpu", "vega-gpu", ""):
        await pings.ping(node)
    assert slurm.calls == [("nodes", "cpu", "gpu", "large")]

    clock.now += 60
    await pings.ping("vega-cpu")
    assert len(slurm.calls) == 2


async def test_a_node_that_is_not_served_is_refused():
    with pytest.raises(Refused, match="vega-cpu, vega-gpu"):
        await capacity(CPU)[0].ping("other")


async def test_a_batch_system_that_does_not_answer_is_again():
    pings, slurm = capacity(CPU)
    slurm.faults["nodes"] = [Fault.BEFORE]

    with pytest.raises(Unavailable):
        await pings.ping("vega-cpu")


async def test_a_resource_script_answers_instead():
    answer = '{"resources": {"cpu": "7"}, "taints": []}'
    ping = await capacity(CPU, ResourceScriptPath=f"echo {shlex.quote(answer)}")[0].ping("vega-cpu")

    assert (ping.resources, ping.taints) == ({"cpu": "7"}, ())


async def test_a_resource_script_that_fails_is_again():
    with pytest.raises(Unavailable, match="ResourceScriptPath"):
        await capacity(CPU, ResourceScriptPath="false")[0].ping("vega-cpu")


async def test_a_resource_script_runs_once_a_minute_however_many_pings_there_are(tmp_path):
    clock, runs = Clock(), tmp_path / "runs"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho run >> {runs}\necho ok\n")
    script.chmod(0o755)
    pings, _ = capacity(CPU, clock=clock, ResourceScriptPath=str(script))

    for _ in range(5):
        ping = await pings.ping("vega-cpu")
    assert runs.read_text() == "run\n"
    assert [taint["key"] for taint in ping.taints] == ["site", "own"]

    clock.now += 60
    await pings.ping("vega-cpu")
    assert runs.read_text() == "run\nrun\n"


async def test_a_short_silence_of_the_controller_is_bridged_and_a_long_one_is_said():
    clock = Clock()
    pings, slurm = capacity(CPU, clock=clock)
    first = await pings.ping("vega-cpu")
    slurm.faults["nodes"] = [Fault.BEFORE] * 20

    clock.now += 120
    assert await pings.ping("vega-cpu") == first
    clock.now += 61
    with pytest.raises(Unavailable, match="Unable to contact"):
        await pings.ping("vega-cpu")


async def test_a_failed_look_is_not_repeated_with_every_ping():
    clock = Clock()
    pings, slurm = capacity(CPU, clock=clock)
    slurm.faults["nodes"] = [Fault.BEFORE]

    for _ in range(3):
        with pytest.raises(Unavailable):
            await pings.ping("vega-cpu")
    assert len(slurm.calls) == 1

    clock.now += 10
    assert (await pings.ping("vega-cpu")).status == "ok"


@pytest.mark.parametrize("keys", [{}, {"ResourceScriptPath": "echo ok"}])
async def test_a_node_that_the_site_drains_is_tainted_and_the_other_one_is_not(tmp_path, keys):
    drain_file = tmp_path / "drain.json"
    drain_file.write_text(json.dumps({"drains": [{"reason": "new kernel", "node": "vega-gpu"}]}))
    pings, _ = capacity(CPU, GPU, drain_file=drain_file, **keys)

    is_drained = {node: [t["key"] for t in (await pings.ping(node)).taints].count(DRAINED) for node in KEYS["Nodes"]}

    assert is_drained == {"vega-cpu": 0, "vega-gpu": 1}
