"""The state of a container as Kubernetes has it. No I/O here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dte.interlink.jobs.status import ContainerState, Ended, Phase
from dte.interlink.pods import Container


def container_status(container: Container, state: ContainerState) -> dict[str, Any]:
    """The v1.ContainerStatus of `container`, an element of the pod's containers or initContainers.

    The image is the one the pod asks for. What runs is started and ready unless its job says otherwise.
    """
    running = state.phase is Phase.RUNNING
    return {
        "name": str(container.get("name") or ""),
        "state": _current(state),
        "lastState": {} if state.last is None else {"terminated": _terminated(state.last)},
        "ready": running and state.is_ready is not False,
        "started": running and state.is_started is not False,
        "restartCount": state.restart_count,
        "image": str(container.get("image") or ""),
        "imageID": "",
    }


def _current(state: ContainerState) -> Mapping[str, Any]:
    if state.ended is not None:
        return {"terminated": _terminated(state.ended)}
    if state.phase is Phase.RUNNING:
        return {"running": {} if state.started_at is None else {"startedAt": kubernetes_time(state.started_at)}}
    return {"waiting": {"reason": state.reason, "message": state.message}}


def _terminated(ended: Ended) -> dict[str, Any]:
    """Keys whose value is not known are left out, as Go does."""
    fields = {
        "exitCode": ended.exit_code,
        "signal": ended.signal,
        "reason": ended.reason or ("Completed" if ended.exit_code == 0 else "Error"),
        "message": ended.message or None,
        "startedAt": ended.started_at and kubernetes_time(ended.started_at),
        "finishedAt": ended.finished_at and kubernetes_time(ended.finished_at),
    }
    return {key: value for key, value in fields.items() if value is not None}


def kubernetes_time(moment: datetime) -> str:
    """A metav1.Time: RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
