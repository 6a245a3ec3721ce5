"""Pods and reports as tests need them: complete enough to be true, short enough to read."""

import uuid
from typing import Any

from dte.interlink.virtual_kubelet.downward import Place
from dte.interlink.virtual_kubelet.pod_status import Moment
from dte.interlink.wire import PodStatus
from dte.runtime.process_identity import ProcessIdentity

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
T0 = "2026-01-01T10:00:00Z"
T1 = "2026-01-01T10:01:00Z"
PLACE = Place(host_ip="192.0.2.10", pod_ip="127.0.0.1", allocatable={"cpu": "64", "memory": "256Gi"})

OUTLASTING = [
    {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": "NoExecute"}
    for name in ("not-ready", "unreachable")
]
"""Tolerations that need no change."""
ME = ProcessIdentity("federation", "boot", 1000, 5, "pid:[1]")


def moment(now: str = T0) -> Moment:
    return Moment(now=now, host_ip="192.0.2.10", pod_ip="127.0.0.1")


def pod(*names: str, init: tuple[str, ...] = (), name: str = "p", uid: str = UID, **more: Any) -> dict[str, Any]:
    """A pod with containers `names`; `more` has metadata, spec and status entries under those keys."""
    spec = {
        "nodeName": "vk",
        "containers": [{"name": item, "image": "img"} for item in names or ("c",)],
        "initContainers": [{"name": item, "image": "img"} for item in init],
        "tolerations": OUTLASTING,
    }
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": uid, **more.get("metadata", {})},
        "spec": {**spec, **more.get("spec", {})},
        "status": {"phase": "Pending", **more.get("status", {})},
    }


def another_uid() -> str:
    return str(uuid.uuid4())


def waiting(name: str = "c", reason: str = "Priority") -> dict[str, Any]:
    return {"name": name, "state": {"waiting": {"reason": reason}}}


def running(name: str = "c", *, ready: bool = True) -> dict[str, Any]:
    return {"name": name, "state": {"running": {"startedAt": T0}}, "ready": ready}


def ended(name: str = "c", code: int | None = 0, reason: str = "") -> dict[str, Any]:
    state = {"exitCode": code, "reason": reason, "startedAt": T0, "finishedAt": T1}
    return {"name": name, "state": {"terminated": {key: item for key, item in state.items() if item is not None}}}


def report(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), uid: str = UID) -> PodStatus:
    return PodStatus("p", uid, "ns", "29", containers, init)
