"""The real API server, and what the role's manifest lets a virtual kubelet do there."""

import subprocess
from pathlib import Path

import pytest

from tests.lab.control_plane import KUBECTL
from tests.lab.fixtures import KubeLab
from tests.lab.names import LabError


@pytest.fixture(scope="module")
def kubeconfig(lab_kube: KubeLab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lab_kube.virtual_kubelet_kubeconfig(tmp_path_factory.mktemp("virtual-kubelet"))


def answer(kubeconfig: Path, question: str) -> str:
    argv = [str(KUBECTL), "--kubeconfig", str(kubeconfig), "auth", "can-i", *question.split()]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False).stdout.strip()


@pytest.mark.parametrize(
    "allowed",
    [
        "create nodes",
        "patch nodes --subresource=status",
        "watch pods --all-namespaces",
        "patch pods --subresource=status --all-namespaces",
        "get secrets --all-namespaces",
        "create serviceaccounts --subresource=token --all-namespaces",
        "create events --all-namespaces",
        "patch leases.coordination.k8s.io --namespace=kube-node-lease",
    ],
)
def test_a_virtual_kubelet_may_do_its_work(kubeconfig: Path, allowed: str) -> None:
    assert answer(kubeconfig, allowed) == "yes"


@pytest.mark.parametrize(
    "forbidden",
    [
        "list secrets --all-namespaces",
        "create pods",
        "delete nodes",
        "patch leases.coordination.k8s.io --namespace=default",
        "create clusterrolebindings",
    ],
)
def test_a_virtual_kubelet_may_do_no_more(kubeconfig: Path, forbidden: str) -> None:
    assert answer(kubeconfig, forbidden) == "no"


def test_a_pod_without_a_node_for_it_stays_pending(lab_kube: KubeLab) -> None:
    container = {"name": "main", "image": "none"}
    selector = {"lab.dte/no-such-node": "true"}
    spec = {"containers": [container], "nodeSelector": selector}
    lab_kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lab-pending"}, "spec": spec})
    try:
        lab_kube.kubectl("wait", "pod/lab-pending", "--for=condition=PodScheduled=False", "--timeout=15s")
        assert lab_kube.get("pod", "lab-pending")["status"]["phase"] == "Pending"
    finally:
        lab_kube.kubectl("delete", "pod", "lab-pending", "--grace-period=0", "--force")


def test_what_kubectl_says_reaches_the_test(lab_kube: KubeLab) -> None:
    with pytest.raises(LabError, match="not found"):
        lab_kube.get("pod", "no-such-pod")
