"""Outages on either side, and of the virtual kubelet itself: nothing is lost, doubled or deleted."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dte.interlink.watch.hub import WatchHub
from tests.integration.virtual_kubelet.conftest import World, free_port
from tests.integration.virtual_kubelet.kubelet_process import KubeletProcess

LOOK_AT_KUBECONFIG_S = 10.0
OUTAGE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@pytest.fixture
def streaming(world: World) -> Iterator[World]:
    """The site has a stream of changes."""
    world.kubelet.stop()
    world.site.hub = WatchHub()
    world.kubelet.start()
    yield world
    world.kubelet.stop()
    world.site.hub = None
    world.kubelet.start()


def is_ready(world: World) -> bool:
    conditions = world.kube.get("node", world.node)["status"]["conditions"]
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def running_pod(world: World, name: str, **spec: object) -> None:
    world.submit(world.pod(name, **spec))
    world.site.job_of(name).run("c")
    world.await_phase(name, "Running")


def uid_of(world: World, name: str) -> str:
    return str(world.site.job_of(name).pod["metadata"]["uid"])


def outage_tolerations(world: World, name: str) -> list[dict[str, object]]:
    return [item for item in world.show(name)["spec"]["tolerations"] if item.get("key") in OUTAGE_TAINTS]


def test_a_stream_tells_a_pods_life_and_nobody_asks(streaming: World) -> None:
    running_pod(streaming, "told")
    streaming.site.questions = 0
    streaming.site.job_of("told").end("c", 0)
    streaming.await_phase("told", "Succeeded")
    running_pod(streaming, "told-deleted")
    streaming.kubectl("delete", "pod", "told-deleted", "--wait=false")
    streaming.until("the object to go", lambda: not streaming.exists("told-deleted"))
    assert streaming.site.questions == 0


def test_a_pod_outlasts_an_outage_of_its_virtual_kubelet(world: World) -> None:
    placed = world.placement()
    short = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20} for key in OUTAGE_TAINTS
    ]
    world.submit(world.pod("defaults"))
    world.submit(world.pod("impatient", tolerations=[*placed["tolerations"], *short]))
    for name in ("defaults", "impatient"):
        world.until(
            f"endless tolerations of {name}",
            lambda name=name: all("tolerationSeconds" not in item for item in outage_tolerations(world, name)),
        )
        assert len(outage_tolerations(world, name)) == 2
        assert placed["tolerations"][0].items() <= world.show(name)["spec"]["tolerations"][0].items()


def test_connections_that_are_reset_lose_no_news(world: World) -> None:
    running_pod(world, "reset")
    for number in range(3):
        world.way.reset()
        world.submit(world.pod(f"after-reset-{number}"))
    world.site.job_of("reset").end("c", 0)
    world.await_phase("reset", "Succeeded")


@pytest.fixture
def second(world: World, tmp_path: Path) -> Iterator[KubeletProcess]:
    """Another virtual kubelet for the same node."""
    settings = {**world.settings, "KubeletListen": f"{world.kube.host_address}:{free_port(world.kube.host_address)}"}
    process = KubeletProcess(tmp_path, settings, f"127.0.0.1:{free_port('127.0.0.1')}")
    process.start_waiting()
    yield process
    process.stop()


def test_of_two_virtual_kubelets_for_a_node_one_waits_until_the_other_is_dead(
    world: World, second: KubeletProcess
) -> None:
    running_pod(world, "contested")
    world.until("the second to say so", lambda: "kept by another virtual kubelet" in second.why_not_ready())
    world.submit(world.pod("only-once"))
    assert world.site.creates.count(uid_of(world, "only-once")) == 1
    world.kubelet.kill()
    world.site.job_of("contested").end("c", 0)
    world.await_phase("contested", "Succeeded")
    world.until("the second to be ready", lambda: second.why_not_ready() == "")
    second.stop()
    world.kubelet.start()
    assert world.site.creates.count(uid_of(world, "contested")) == 1


@pytest.mark.slow
def test_a_minute_without_the_cluster_is_caught_up_with(world: World) -> None:
    running_pod(world, "cut-off")
    running_pod(world, "cut-off-still")
    world.way.cut()
    time.sleep(60)
    world.site.job_of("cut-off").end("c", 0)
    world.way.heal()
    world.until("the end", lambda: world.phase("cut-off") == "Succeeded", 90)
    world.until("the node to be ready", lambda: is_ready(world), 60)
    world.submit(world.pod("after-the-cut"))
    time.sleep(10)
    assert world.phase("cut-off-still") == "Running"
    assert "deletionTimestamp" not in world.show("cut-off-still")["metadata"]
    assert uid_of(world, "cut-off-still") not in world.site.deletes


@pytest.mark.slow
def test_a_minute_without_the_site_changes_no_state_and_is_caught_up_with(streaming: World) -> None:
    running_pod(streaming, "site-cut")
    streaming.site.is_hung = True
    streaming.site.job_of("site-cut").end("c", 0)
    for _ in range(6):
        time.sleep(10)
        assert is_ready(streaming)
        assert streaming.phase("site-cut") == "Running"
    streaming.site.is_hung = False
    streaming.await_phase("site-cut", "Succeeded")


@pytest.mark.slow
def test_pods_outlast_an_outage_longer_than_they_would_have_borne(world: World) -> None:
    short = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20} for key in OUTAGE_TAINTS
    ]
    running_pod(world, "outlasting", tolerations=[*world.placement()["tolerations"], *short])
    world.until(
        "endless tolerations",
        lambda: all("tolerationSeconds" not in item for item in outage_tolerations(world, "outlasting")),
    )
    world.kubelet.kill()
    world.until("the node to be lost", lambda: not is_ready(world), 120)
    time.sleep(40)
    assert "deletionTimestamp" not in world.show("outlasting")["metadata"]
    world.kubelet.start()
    world.until("the node to be ready", lambda: is_ready(world), 60)
    world.site.job_of("outlasting").end("c", 0)
    world.await_phase("outlasting", "Succeeded")
    assert uid_of(world, "outlasting") not in world.site.deletes


@pytest.mark.slow
def test_a_pod_removed_by_force_while_nobody_was_there_is_swept_and_the_others_stay(streaming: World) -> None:
    for name in ("forced", "kept"):
        running_pod(streaming, name)
    streaming.kubelet.kill()
    streaming.kubectl("delete", "pod", "forced", "--force", "--grace-period=0")
    streaming.kubelet.start()
    streaming.until("the sweep", lambda: uid_of(streaming, "forced") in streaming.site.deletes, 240)
    assert uid_of(streaming, "kept") not in streaming.site.deletes


@pytest.mark.slow
def test_a_new_token_in_the_kubeconfig_is_used_without_a_restart(world: World) -> None:
    kubeconfig = Path(world.settings["KubeconfigFile"])
    good = kubeconfig.read_text()
    kubeconfig.write_text(good.replace("token: ", "token: x"))
    time.sleep(2 * LOOK_AT_KUBECONFIG_S)
    running_pod(world, "old-login")
    kubeconfig.write_text(good + "\n")
    time.sleep(2 * LOOK_AT_KUBECONFIG_S)
    running_pod(world, "new-login")
    assert "kubeconfig_read_again" in world.kubelet.log.read_text()
