"""The node in a real cluster."""

from tests.integration.virtual_kubelet.conftest import World


def conditions(world: World) -> dict[str, str]:
    node = world.kube.get("node", world.node)
    return {item["type"]: item["status"] for item in node["status"]["conditions"]}


def taints(world: World) -> set[str]:
    node = world.kube.get("node", world.node)
    return {item["key"] for item in node["spec"].get("taints", ())}


def test_the_node_is_ready_with_the_capacity_that_the_site_reports(world: World) -> None:
    node = world.kube.get("node", world.node)
    assert conditions(world)["Ready"] == "True"
    assert conditions(world)["InterlinkConnectivity"] == "True"
    assert node["status"]["allocatable"] == {"cpu": "64", "memory": "256Gi", "pods": "500"}
    assert "virtual-node.interlink/no-schedule" in taints(world)


def test_the_lease_is_kept(world: World) -> None:
    lease = world.kube.get("lease", world.node, "--namespace", "kube-node-lease")
    assert lease["spec"]["leaseDurationSeconds"] == 40
    assert lease["spec"]["holderIdentity"] == world.node


def test_every_request_says_who_asks(world: World) -> None:
    uid = world.kube.get("namespace", "kube-system")["metadata"]["uid"]
    world.until("a ping", lambda: bool(world.site.headers))
    headers = world.site.headers[-1]
    assert headers["InterLink-Owner"] == f"{uid}/{world.node}"
    assert headers["InterLink-Node"] == world.node
    assert "#" in headers["InterLink-Http-Session"]


def test_a_site_that_is_down_gets_no_new_pods_and_its_node_stays_ready(world: World) -> None:
    world.site.is_down = True
    world.until("the taint", lambda: "virtual-node.interlink/site-unreachable" in taints(world))
    assert conditions(world)["Ready"] == "True"
    assert conditions(world)["InterlinkConnectivity"] == "False"
    world.site.is_down = False
    world.until("the taint to go", lambda: "virtual-node.interlink/site-unreachable" not in taints(world))


def test_taints_of_the_site_reach_the_cluster(world: World) -> None:
    drained = {"key": "virtual-node.interlink/drained", "value": "true", "effect": "NoSchedule"}
    world.site.ping = {**world.site.ping, "taints": [drained]}
    world.until("the taint", lambda: "virtual-node.interlink/drained" in taints(world))
    world.site.ping = {**world.site.ping, "taints": []}
    world.until("the taint to go", lambda: "virtual-node.interlink/drained" not in taints(world))
