"""The virtual kubelet that the role left on its node, and its Node object in a real cluster."""

import json
import subprocess
from typing import Any

from tests.infra import nodes
from tests.tools.project import BIN

testinfra_hosts = [nodes.testinfra_host("role-federation")]

UNIT = "virtual-kubelet@role-main.service"
READY = "curl --silent --fail http://127.0.0.1:9130/readyz"
USER = "dte-virtual-kubelet"


def node_object() -> Any:
    command = [BIN / "kubectl", "--kubeconfig", nodes.state()["kubeconfig"], "get", "node", "role-main", "-o", "json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def test_the_virtual_kubelet_runs_as_its_own_user_and_comes_back_after_a_reboot(host: Any) -> None:
    assert host.service(UNIT).is_running
    assert host.service(UNIT).is_enabled
    assert nodes.owner_of(host, UNIT) == USER


def test_the_cluster_knows_the_node(host: Any) -> None:
    host.check_output(READY)
    node = node_object()
    addresses = {item["type"]: item["address"] for item in node["status"]["addresses"]}
    assert addresses["InternalIP"] == nodes.state()["role-federation"]["address"]
    assert node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 10250


def test_the_kubelet_port_answers_nobody_without_the_api_servers_certificate(host: Any) -> None:
    done = host.run(
        "curl --silent --cacert /etc/pki/dte/ca.pem --write-out '%{http_code}' https://role-federation:10250/pods"
    )
    assert done.stdout in ("000", "401")


def test_the_kubeconfig_and_the_keys_are_for_the_daemons_only(host: Any) -> None:
    for name in ("kubeconfig", "client.key", "host.key"):
        file = host.file(f"/etc/pki/dte/{name}")
        assert (file.group, file.mode) == ("dte-tls", 0o640)


def test_the_configuration_holds_no_secret(host: Any) -> None:
    file = host.file("/etc/dte/virtual-kubelet/role-main.yaml")
    assert (file.user, file.group, file.mode) == ("root", USER, 0o640)
    assert "KubeconfigFile: /etc/pki/dte/kubeconfig" in file.content_string


def test_systemd_has_no_complaint_about_the_unit(host: Any) -> None:
    assert nodes.complaints(host, UNIT) == ""


def test_the_unit_is_hardened(host: Any) -> None:
    assert nodes.exposure(host, UNIT) <= nodes.MAX_EXPOSURE
    assert host.check_output(f"systemctl show --value -p ProtectSystem {UNIT}") == "strict"


def test_a_killed_virtual_kubelet_comes_back_by_itself(host: Any) -> None:
    old = nodes.main_pid(host, UNIT)
    assert nodes.kill_and_wait(host, UNIT, READY) != old
