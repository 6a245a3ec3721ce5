"""What a site says of one container -> v1.ContainerStatus, checked so that the API server accepts it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from dte.interlink import pods
from dte.interlink.virtual_kubelet.times import checked_time

StateKind = Literal["waiting", "running", "terminated"]

MAX_INT32 = 2**31 - 1
"""The API server refuses a whole status for one larger number."""
UNKNOWN_EXIT = 255
"""Stands for an end without an exit code: what is not known is no success."""
KILLED_EXIT = 137
"""128 + SIGKILL, as kubelets report a container whose end nobody saw."""


def state_kind(container: Mapping[str, Any]) -> StateKind:
    """Which of the three states a ContainerStatus has; none at all is waiting (API reference)."""
    state = container.get("state") or {}
    if state.get("terminated"):
        return "terminated"
    return "running" if state.get("running") is not None else "waiting"


def exit_code(container: Mapping[str, Any]) -> int | None:
    """None while it has not terminated."""
    if state_kind(container) != "terminated":
        return None
    return int(container["state"]["terminated"]["exitCode"])


def container_statuses(
    wanted: Sequence[pods.Container],
    reported: Iterable[Mapping[str, Any]],
    before: Iterable[Mapping[str, Any]],
    *,
    waiting_reason: str,
) -> list[dict[str, Any]]:
    """One status for each container of the pod's specification, in its order.

    From the site's report where it has one, else as it was `before`, else waiting. Containers that the
    pod does not have are ignored; an end once shown stays.
    """
    by_name = {str(item.get("name")): item for item in reported}
    earlier = {str(item.get("name")): item for item in before}
    return [
        _status(container, by_name.get(name), earlier.get(name), waiting_reason)
        for container in wanted
        if (name := str(container.get("name")))
    ]


def _status(
    container: pods.Container,
    reported: Mapping[str, Any] | None,
    before: Mapping[str, Any] | None,
    waiting_reason: str,
) -> dict[str, Any]:
    if before is not None and state_kind(before) == "terminated":
        may_run_again = reported is not None and _restarts(reported) > _restarts(before)
        if not may_run_again:
            return dict(before)
    if reported is not None:
        return _checked(container, reported, waiting_reason)
    return dict(before) if before is not None else waiting(container, waiting_reason)


def waiting(container: pods.Container, reason: str, message: str = "") -> dict[str, Any]:
    """The status of a container that has not started."""
    return _assembled(container, {"waiting": _text_fields(reason, message)}, {})


def terminated(
    container: pods.Container,
    *,
    code: int,
    reason: str,
    message: str,
    before: Mapping[str, Any] | None,
    now: str,
) -> dict[str, Any]:
    """The status of a container that we declare ended, the site having said nothing."""
    started = None
    if before is not None and state_kind(before) == "running":
        started = before["state"]["running"].get("startedAt")
    state = {"exitCode": code, **_text_fields(reason, message), "startedAt": started, "finishedAt": now}
    return _assembled(container, {"terminated": state}, before or {})


def _checked(container: pods.Container, reported: Mapping[str, Any], waiting_reason: str) -> dict[str, Any]:
    kind = state_kind(reported)
    state = (reported.get("state") or {}).get(kind) or {}
    return _assembled(container, {kind: _STATES[kind](state, waiting_reason)}, reported)


def _waiting_state(state: Mapping[str, Any], waiting_reason: str) -> dict[str, Any]:
    return _text_fields(str(state.get("reason") or waiting_reason), str(state.get("message") or ""))


def _running_state(state: Mapping[str, Any], _: str) -> dict[str, Any]:
    return {"startedAt": checked_time(state.get("startedAt"))}


def _terminated_state(state: Mapping[str, Any], _: str) -> dict[str, Any]:
    code = state.get("exitCode")
    if not isinstance(code, int) or isinstance(code, bool) or not -MAX_INT32 <= code <= MAX_INT32:
        code, default = UNKNOWN_EXIT, "ExitCodeUnknown"
    else:
        default = "Completed" if code == 0 else f"Error: {code}"
    return {
        "exitCode": code,
        **_text_fields(str(state.get("reason") or default), str(state.get("message") or "")),
        "startedAt": checked_time(state.get("startedAt")),
        "finishedAt": checked_time(state.get("finishedAt")),
    }


_STATES = {"waiting": _waiting_state, "running": _running_state, "terminated": _terminated_state}

MAX_MESSAGE = 4096
"""Bytes of a message that a status keeps; kubelets cut a termination message there too."""


def _text_fields(reason: str, message: str) -> dict[str, str]:
    fields = {"reason": reason} if reason else {}
    return fields | ({"message": message[:MAX_MESSAGE]} if message else {})


def _assembled(container: pods.Container, state: Mapping[str, Any], reported: Mapping[str, Any]) -> dict[str, Any]:
    running = "running" in state
    return {
        "name": str(container.get("name")),
        "state": dict(state),
        "lastState": _last_state(reported.get("lastState")),
        "ready": running and bool(reported.get("ready")),
        "started": running and bool(reported.get("started", True)),
        "restartCount": _restarts(reported),
        "image": str(reported.get("image") or container.get("image") or ""),
        "imageID": str(reported.get("imageID") or ""),
    }


def _last_state(raw: object) -> dict[str, Any]:
    """The state before a restart, as the site tells it; empty for anything that is none."""
    ended = raw.get("terminated") if isinstance(raw, Mapping) else None
    return {"terminated": _terminated_state(ended, "")} if isinstance(ended, Mapping) and ended else {}


def _restarts(reported: Mapping[str, Any]) -> int:
    count = reported.get("restartCount")
    return min(count, MAX_INT32) if isinstance(count, int) and count >= 0 else 0
