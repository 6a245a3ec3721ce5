"""The Node object of a virtual node: what it is, what it has, how it is. Pure.

Labels, taint names and conditions are upstream's (docs/wire/kubernetes.md), so that manifests written for its
nodes fit ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dte.interlink import pods
from dte.interlink.quantities import parse_quantity
from dte.interlink.virtual_kubelet.amounts import is_capacity, is_resource
from dte.interlink.virtual_kubelet.conditions import Condition, truth, with_transition
from dte.interlink.virtual_kubelet.settings import ResourceSettings, VirtualKubeletSettings

PING_ANNOTATION = "interlink.virtual-kubelet.io/ping-response"
MAX_PING_TEXT = 1024
"""Characters of the site's answer that annotation and condition show."""

_MODEL_LABELS = {
    "nvidia.com/gpu": "nvidia-gpu-type",
    "xilinx.com/fpga": "xilinx-fpga-type",
    "intel.com/fpga": "intel-fpga-type",
}

Capacity = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Connectivity:
    """The outcome of the last ping."""

    is_up: bool
    text: str

    def shown_text(self) -> str:
        return self.text[:MAX_PING_TEXT]


def labels(settings: VirtualKubeletSettings) -> dict[str, str]:
    """All labels that the node has of us."""
    ours = {
        "alpha.service-controller.kubernetes.io/exclude-balancer": "true",
        "kubernetes.io/hostname": settings.node_name,
        "kubernetes.io/os": "virtual-kubelet",
        "kubernetes.io/role": "agent",
        "node.kubernetes.io/exclude-from-external-load-balancers": "true",
        "virtual-node.interlink/type": "virtual-kubelet",
    }
    for accelerator in settings.resources.accelerators:
        label = _MODEL_LABELS.get(accelerator.resource_type)
        if label and accelerator.model:
            ours[label] = accelerator.model
    return ours | dict(entry.split("=", 1) for entry in settings.node_labels)


def configured_capacity(resources: ResourceSettings) -> dict[str, str]:
    """Capacity by resource name, from the configuration file."""
    capacity = {"cpu": resources.cpu, "memory": resources.memory, "pods": resources.pods}
    return capacity | {item.resource_type: item.available for item in resources.accelerators}


def pinged_capacity(before: Capacity, resources: Mapping[str, Any] | None) -> dict[str, str]:
    """Capacity after a ping that reports `resources`; what is missing, or no quantity, stays as it was."""
    capacity = dict(before)
    for name, amount in (resources or {}).items():
        if is_resource(name) and is_capacity(str(amount)):
            capacity[name] = str(amount)
    accelerators = (resources or {}).get("accelerators")
    for item in accelerators if isinstance(accelerators, list) else ():
        if not isinstance(item, Mapping):
            continue
        kind, available = item.get("resourceType"), str(item.get("available"))
        if isinstance(kind, str) and is_resource(kind) and is_capacity(available):
            capacity[kind] = available
    return capacity


def kept_capacity(node: Mapping[str, Any] | None, configured: Capacity) -> dict[str, str]:
    """Where a daemon begins whose site does not answer: what the node offered before, the configuration over it.

    Otherwise a restart during an outage would shrink the node below what its pods use.
    """
    before = (pods.status(node or {}).get("capacity") or {}).items()
    kept = {name: str(amount) for name, amount in before if is_capacity(str(amount))}
    return {**configured, **kept, **{name: amount for name, amount in configured.items() if parse_quantity(amount)}}


def node_object(settings: VirtualKubeletSettings, taints: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The node as it is created; its status is patched right after."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": settings.node_name, "labels": labels(settings)},
        "spec": {"taints": list(taints), "providerID": f"external:///{settings.node_name}"},
    }


def node_conditions(connectivity: Connectivity | None, held_text: str = "") -> tuple[Condition, ...]:
    """A virtual node that runs is Ready, site or no site: a NotReady node would have its pods evicted."""
    fixed = (
        Condition("Ready", "True", "KubeletReady", "the virtual kubelet is ready"),
        Condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        Condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        Condition("PIDPressure", "False", "KubeletHasSufficientPID"),
        Condition("NetworkUnavailable", "False", "RouteCreated"),
        Condition(
            "InterlinkSweepHeld", truth(bool(held_text)), "TooManyOrphans" if held_text else "NothingHeld", held_text
        ),
    )
    return fixed if connectivity is None else (*fixed, _connectivity_condition(connectivity))


def _connectivity_condition(connectivity: Connectivity) -> Condition:
    if connectivity.is_up:
        text = f"Ping successful with code 200. Response: {connectivity.shown_text()}"
        return Condition("InterlinkConnectivity", truth(True), "InterlinkPingSuccessful", text)
    text = f"Ping failed. Response: {connectivity.shown_text()}"
    return Condition("InterlinkConnectivity", truth(False), "InterlinkPingFailed", text)


def node_status(
    settings: VirtualKubeletSettings,
    before: Mapping[str, Any],
    *,
    capacity: Capacity,
    connectivity: Connectivity | None,
    now: str,
    version: str,
    held_text: str = "",
) -> dict[str, Any]:
    """The whole status, without heartbeat times; `before` is the node's status as the cluster shows it."""
    known = before.get("conditions") or ()
    conditions = [with_transition(item, known, now) for item in node_conditions(connectivity, held_text)]
    # A resource that is no longer offered must be named to be removed by a merge patch.
    gone: dict[str, str | None] = dict.fromkeys(set(before.get("capacity") or {}) - set(capacity))
    return {
        "capacity": {**gone, **capacity},
        "allocatable": {**gone, **capacity},
        "conditions": conditions,
        "addresses": [
            {"type": "InternalIP", "address": settings.internal_ip},
            {"type": "Hostname", "address": settings.node_name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": settings.kubelet_address.port}},
        "nodeInfo": {
            "architecture": "virtual-kubelet",
            "operatingSystem": "linux",
            "kubeletVersion": version,
            "kernelVersion": "",
            "osImage": "",
            "containerRuntimeVersion": "interlink://",
            "kubeProxyVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }


def with_heartbeats(status: Mapping[str, Any], now: str) -> dict[str, Any]:
    """The status as it is sent."""
    beats = [{**item, "lastHeartbeatTime": now} for item in status["conditions"]]
    return {**status, "conditions": beats}
