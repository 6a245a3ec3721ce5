"""A site's word on a pod -> the pod's v1 status. Pure: the whole status for every input, and what of it changed.

Rules: docs/wire/kubernetes.md. Succeeded and Failed are final; a container that the site does not mention
keeps the state it had; nothing that is unknown ever counts as success.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dte.interlink import pods
from dte.interlink.virtual_kubelet import container_status as containers
from dte.interlink.virtual_kubelet.conditions import Condition, find_condition, truth, with_transition
from dte.interlink.wire import PodStatus

Status = Mapping[str, Any]

POD_REASONS = frozenset({"DeadlineExceeded", "Evicted"})
"""Kubernetes' reasons of a pod, not of a container, that ran too long or used too much."""
SUBMITTED_REASON = "Remote pod submitted"
SUBMITTED_MESSAGE = "The pod has been submitted to the remote plugin for creation"


@dataclass(frozen=True, slots=True)
class Moment:
    """What every new status carries: the time, and the addresses of this node."""

    now: str
    host_ip: str
    pod_ip: str


def submitted(pod: pods.Pod, shown: Status, moment: Moment) -> dict[str, Any]:
    """The status of a pod whose job is queued and of which nothing else is known."""
    init = [containers.waiting(item, SUBMITTED_REASON, SUBMITTED_MESSAGE) for item in pods.init_containers(pod)]
    main = [containers.waiting(item, SUBMITTED_REASON, SUBMITTED_MESSAGE) for item in pods.containers(pod)]
    return _assembled(pod, shown, moment, init=init, main=main)


def reported(pod: pods.Pod, shown: Status, remote: PodStatus, moment: Moment) -> Status:
    """The status after the site's report `remote`; `shown` itself when that changes nothing."""
    if is_terminal(shown) or not (remote.containers or remote.init_containers):
        return shown
    init = containers.container_statuses(
        pods.init_containers(pod),
        remote.init_containers,
        shown.get("initContainerStatuses") or (),
        waiting_reason="ContainerCreating",
    )
    main = containers.container_statuses(
        pods.containers(pod),
        remote.containers,
        shown.get("containerStatuses") or (),
        waiting_reason="PodInitializing" if init else "ContainerCreating",
    )
    return _assembled(pod, shown, moment, init=init, main=main)


def refused(pod: pods.Pod, shown: Status, words: str, moment: Moment) -> dict[str, Any]:
    """The status of a pod that the site, or we, will never run; `words` say why."""
    return _ended(pod, shown, moment, code=1, reason="ProviderFailed", message=words)


def stopped(pod: pods.Pod, shown: Status, moment: Moment) -> dict[str, Any]:
    """The status of a deleted pod whose end the site no longer knows."""
    words = "The pod was deleted; the site has no record of how its containers ended"
    return _ended(pod, shown, moment, code=containers.KILLED_EXIT, reason="ContainerStatusUnknown", message=words)


def is_terminal(status: Status) -> bool:
    return status.get("phase") in ("Succeeded", "Failed")


def _ended(pod: pods.Pod, shown: Status, moment: Moment, *, code: int, reason: str, message: str) -> dict[str, Any]:
    before = {str(item.get("name")): item for item in shown.get("containerStatuses") or ()}
    main = [
        dict(old)
        if (old := before.get(str(item.get("name")))) and containers.state_kind(old) == "terminated"
        else containers.terminated(item, code=code, reason=reason, message=message, before=old, now=moment.now)
        for item in pods.containers(pod)
    ]
    init = [dict(item) for item in shown.get("initContainerStatuses") or ()]
    status = _assembled(pod, shown, moment, init=init, main=main)
    # Whatever the containers ended with, the pod as a whole did not do what it was for.
    status |= {"phase": "Failed", "reason": reason, "message": message[: containers.MAX_MESSAGE]}
    status["conditions"] = _conditions(pod, shown, status, init, main, moment.now)
    return status


def _assembled(
    pod: pods.Pod,
    shown: Status,
    moment: Moment,
    *,
    init: Sequence[dict[str, Any]],
    main: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    main = [_named_wait(item, pod, init) for item in main]
    verdict = _verdict(_without_sidecars(pod, init), main)
    status: dict[str, Any] = {
        "phase": verdict.phase,
        "reason": verdict.reason or None,
        "message": verdict.message or None,
        "hostIP": moment.host_ip,
        "hostIPs": [{"ip": moment.host_ip}],
        "podIP": moment.pod_ip,
        "podIPs": [{"ip": moment.pod_ip}],
        "startTime": shown.get("startTime") or moment.now,
        "containerStatuses": list(main),
        "initContainerStatuses": list(init) or None,
    }
    status["conditions"] = _conditions(pod, shown, status, init, main, moment.now)
    return status


@dataclass(frozen=True, slots=True)
class _Verdict:
    phase: str
    reason: str = ""
    message: str = ""


def _verdict(init: Sequence[Status], main: Sequence[Status]) -> _Verdict:
    failed_init = next((item for item in init if (containers.exit_code(item) or 0) != 0), None)
    kinds = {"running" if _is_restarting(item) else containers.state_kind(item) for item in main}
    if failed_init is not None and "running" not in kinds:
        return _failure(failed_init, "init container")
    if kinds == {"terminated"}:
        failed = next((item for item in main if containers.exit_code(item) != 0), None)
        return _failure(failed, "container") if failed is not None else _Verdict("Succeeded", "Completed")
    if kinds == {"waiting"} or not kinds:
        return _Verdict("Pending")
    return _Verdict("Running")


def _failure(container: Status, what: str) -> _Verdict:
    ended = container["state"]["terminated"]
    words = ": ".join(str(ended[key]) for key in ("reason", "message") if ended.get(key))
    reason = str(ended.get("reason"))
    reason = reason if reason in POD_REASONS else f"Error: {ended['exitCode']}"
    return _Verdict("Failed", reason, f"{what} {container['name']}: {words}")


def _is_restarting(container: Status) -> bool:
    """Between two runs: to Kubernetes a pod with such a container is running."""
    return containers.state_kind(container) == "waiting" and bool((container.get("lastState") or {}).get("terminated"))


def _sidecars(pod: pods.Pod) -> set[str]:
    """Names of the init containers that run beside the others; how they end says nothing of the pod."""
    return {str(item.get("name")) for item in pods.init_containers(pod) if item.get("restartPolicy") == "Always"}


def _without_sidecars(pod: pods.Pod, init: Sequence[Status]) -> Sequence[Status]:
    sidecars = _sidecars(pod)
    return [item for item in init if str(item.get("name")) not in sidecars]


def _named_wait(item: dict[str, Any], pod: pods.Pod, init: Sequence[Status]) -> dict[str, Any]:
    """A container that waits for init containers says so, in the words that kubectl shows."""
    running = [entry for entry in init if containers.state_kind(entry) != "waiting"]
    if containers.state_kind(item) != "waiting" or not running or _is_initialized(pod, init):
        return item
    return {**item, "state": {"waiting": {"reason": "PodInitializing"}}}


def _is_initialized(pod: pods.Pod, init: Sequence[Status]) -> bool:
    """All init containers ended well; one that restarts always (a sidecar) only has to run."""
    sidecars = _sidecars(pod)
    return all(
        containers.exit_code(item) == 0
        or (str(item.get("name")) in sidecars and containers.state_kind(item) == "running")
        for item in init
    )


def _conditions(
    pod: pods.Pod,
    shown: Status,
    status: Status,
    init: Sequence[Status],
    main: Sequence[Status],
    now: str,
) -> list[dict[str, Any]]:
    before = shown.get("conditions") or ()
    phase = status["phase"]
    over = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "")
    sidecars = [item for item in init if str(item.get("name")) in _sidecars(pod)]
    unready = [str(item["name"]) for item in (*sidecars, *main) if not item["ready"]]
    containers_ready = phase == "Running" and not unready
    initialized = _is_initialized(pod, init) or phase in ("Running", "Succeeded")
    message = "" if containers_ready or over else f"containers with unready status: [{' '.join(unready)}]"
    reason = "" if containers_ready else over or "ContainersNotReady"
    theirs = pods.status(pod).get("conditions") or ()
    gates_open = all(_is_true(theirs, str(gate.get("conditionType"))) for gate in _gates(pod))
    gate_reason = "ReadinessGatesNotReady" if containers_ready and not gates_open else reason
    now_true = (
        Condition("Initialized", truth(initialized), _init_reason(initialized, over)),
        Condition("Ready", truth(containers_ready and gates_open), gate_reason, message),
        Condition("ContainersReady", truth(containers_ready), reason, message),
        Condition("PodScheduled", "True"),
    )
    return [with_transition(item, before, now) for item in now_true]


def _init_reason(initialized: bool, over: str) -> str:
    if initialized:
        return "PodCompleted" if over == "PodCompleted" else ""
    return "ContainersNotInitialized"


def _gates(pod: pods.Pod) -> Sequence[Mapping[str, Any]]:
    return pods.spec(pod).get("readinessGates") or ()


def _is_true(conditions: Sequence[Mapping[str, Any]], kind: str) -> bool:
    condition = find_condition(conditions, kind)
    return condition is not None and condition.get("status") == "True"
