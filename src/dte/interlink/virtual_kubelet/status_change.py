"""How a pod's wanted status differs from the one shown, and the patch that brings it there.

Writes to the API are few: a change that a controller or a waiting person acts on is written at once, a new
wording of the same state waits longer each time.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from dte.interlink import pods
from dte.interlink.virtual_kubelet.conditions import same_conditions
from dte.interlink.virtual_kubelet.container_status import state_kind

JOB_ID_ANNOTATION = "JobID"
"""Upstream's name; the pod has a job exactly when it is there."""


class Change(Enum):
    NONE = "none"
    WORDING = "wording"
    """A reason, a message, the progress of init containers: the pod is in the same state as before."""
    STATE = "state"
    """The phase, a container's state or readiness."""


def change(shown: Mapping[str, Any], wanted: Mapping[str, Any]) -> Change:
    """What a write of `wanted` over `shown` would change."""
    if _state(shown) != _state(wanted):
        return Change.STATE
    conditions = wanted.get("conditions") or ()
    if not same_conditions(shown.get("conditions") or (), conditions):
        return Change.WORDING
    rest = {key: value for key, value in wanted.items() if key != "conditions"}
    return Change.NONE if all(_pruned(shown.get(key)) == _pruned(rest[key]) for key in rest) else Change.WORDING


def _state(status: Mapping[str, Any]) -> tuple[object, ...]:
    main = status.get("containerStatuses") or ()
    return (
        status.get("phase") or "Pending",
        bool(status.get("startTime")),
        tuple((item.get("name"), state_kind(item), bool(item.get("ready"))) for item in main),
    )


def _pruned(value: Any) -> Any:
    """Without nulls and empty mappings, which the API server does not give back."""
    if isinstance(value, Mapping):
        slim = {key: _pruned(item) for key, item in value.items()}
        return {key: item for key, item in slim.items() if item not in (None, {}, [], "", False)}
    if isinstance(value, list | tuple):
        return [_pruned(item) for item in value]
    return value


WORDING_DELAY_S = 10.0
WORDING_FACTOR = 6
"""A new wording is written 10 s after the last write, the next 1 min after that one, then 6 min, 36 min ...:
a pod that starts within seconds never costs the write, one that queues for days costs a handful."""


def wording_due_at(last_write_at: float, wordings_written: int) -> float:
    """The earliest time (Unix seconds) to write a change of wording."""
    return float(last_write_at + WORDING_DELAY_S * WORDING_FACTOR ** min(wordings_written, 6))


def status_patch(pod: pods.Pod, status: Mapping[str, Any], job_id: str | None) -> dict[str, Any]:
    """A strategic merge patch for `pods/status`; conditions of others (taint manager, gates) stay as they are.

    With the UID in it the API server refuses the patch (409) when the name now belongs to another pod.
    `job_id` is written as annotation in the same request; None leaves it alone.
    """
    metadata: dict[str, Any] = {"uid": pods.pod_uid(pod)}
    if job_id is not None:
        metadata["annotations"] = {JOB_ID_ANNOTATION: job_id}
    return {"metadata": metadata, "status": dict(status)}
