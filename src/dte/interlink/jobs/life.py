"""What a pod says about the life of its containers, in the words of spec.json: probes, hooks, restarts. No I/O here."""

import signal
import string
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from dte.interlink import pods
from dte.interlink.expansion import expand
from dte.runtime.errors import Malformed, Refused

DEFAULT_GRACE_S = 30
"""Kubernetes' terminationGracePeriodSeconds where a pod has none."""
RESTART_POLICIES = ("Never", "OnFailure", "Always")
LOCAL_HOST = "127.0.0.1"
"""Where a container's ports are asked, which listen on the compute node itself."""
PROBES = {"startup": "startupProbe", "liveness": "livenessProbe", "readiness": "readinessProbe"}
HOOKS = {"post_start": "postStart", "pre_stop": "preStop"}
PROBE_NUMBERS: Mapping[str, tuple[str, int, int]] = {
    "initial_delay_s": ("initialDelaySeconds", 0, 0),
    "period_s": ("periodSeconds", 10, 1),
    "timeout_s": ("timeoutSeconds", 1, 1),
    "success_threshold": ("successThreshold", 1, 1),
    "failure_threshold": ("failureThreshold", 3, 1),
}
"""Ours: Kubernetes' name, default and minimum."""
PROBE_ACTIONS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_ACTIONS = ("exec", "httpGet", "tcpSocket", "sleep")

Action = Mapping[str, Any]


def pod_restart_policy(pod: pods.Pod) -> str:
    """Raises Malformed."""
    return _policy(pods.spec(pod).get("restartPolicy") or "Always", "restartPolicy")


def grace_s(pod: pods.Pod) -> int:
    """Raises Malformed."""
    return _number(pods.spec(pod), "terminationGracePeriodSeconds", DEFAULT_GRACE_S, 0, "pod")


def deadline_s(pod: pods.Pod) -> int | None:
    """None: the pod sets none. Raises Malformed."""
    if pods.spec(pod).get("activeDeadlineSeconds") is None:
        return None
    return _number(pods.spec(pod), "activeDeadlineSeconds", 1, 1, "pod")


def is_sidecar(container: pods.Container, kind: str) -> bool:
    """An init container that runs beside the others."""
    return kind == "init" and container.get("restartPolicy") == "Always"


def restart_policy(container: pods.Container, kind: str, pod_policy: str) -> str:
    """The container's own policy wins over the pod's; an init container is done for good once it succeeded."""
    what = f"container {container.get('name')}: restartPolicy"
    if container.get("restartPolicyRules"):
        raise Refused(f"{what}Rules is not supported")
    policy = _policy(container.get("restartPolicy") or pod_policy, what)
    return "OnFailure" if policy == "Always" and kind == "init" and not is_sidecar(container, kind) else policy


def probes(container: pods.Container, kind: str, variables: Mapping[str, str]) -> Mapping[str, Any]:
    """By kind of probe. Raises Malformed, Refused."""
    wanted = {ours: container[name] for ours, name in PROBES.items() if container.get(name) is not None}
    if wanted and kind == "init" and not is_sidecar(container, kind):
        raise Malformed(f"container {container.get('name')}: an init container has probes only if it restarts always")
    return {ours: _probe(container, PROBES[ours], probe, variables) for ours, probe in wanted.items()}


def hooks(container: pods.Container) -> Mapping[str, Action]:
    """By our name of the hook. Raises Malformed, Refused."""
    lifecycle = container.get("lifecycle") or {}
    wanted = {ours: name for ours, name in HOOKS.items() if lifecycle.get(name) is not None}
    return {ours: _hook(container, f"lifecycle.{name}", lifecycle[name]) for ours, name in wanted.items()}


def stop_signal(container: pods.Container) -> int:
    """The number of lifecycle.stopSignal, else of SIGTERM. Raises Refused."""
    name = (container.get("lifecycle") or {}).get("stopSignal") or "SIGTERM"
    if name not in signal.Signals.__members__:
        raise Refused(f"container {container.get('name')}: lifecycle.stopSignal: there is no signal {name!r:.40}")
    return int(signal.Signals[name])


def takes_message_from_log(container: pods.Container) -> bool:
    """Raises Malformed."""
    policy = container.get("terminationMessagePolicy") or "File"
    if policy not in ("File", "FallbackToLogsOnError"):
        raise Malformed(f"container {container.get('name')}: not a terminationMessagePolicy: {policy!r:.80}")
    return bool(policy == "FallbackToLogsOnError")


def _probe(
    container: pods.Container, name: str, probe: Mapping[str, Any], variables: Mapping[str, str]
) -> Mapping[str, Any]:
    what = f"container {container.get('name')}: {name}"
    numbers = {ours: _number(probe, key, default, least, what) for ours, (key, default, least) in PROBE_NUMBERS.items()}
    if name != "readinessProbe" and numbers["success_threshold"] != 1:
        raise Malformed(f"{what}: successThreshold must be 1")
    own_grace_s = None
    if probe.get("terminationGracePeriodSeconds") is not None:
        own_grace_s = _number(probe, "terminationGracePeriodSeconds", 1, 1, what)
    action = _action(container, what, probe, PROBE_ACTIONS)
    if action["kind"] == "exec":
        action = {**action, "argv": [expand(word, variables) for word in action["argv"]]}
    return {"action": action, "grace_s": own_grace_s, **numbers}


def _hook(container: pods.Container, name: str, handler: Mapping[str, Any]) -> Action:
    """Any answer to a request is success, as kubelets have it."""
    action = _action(container, f"container {container.get('name')}: {name}", handler, HOOK_ACTIONS)
    return {**action, "any_answer": True} if action["kind"] == "http" else action


def _action(container: pods.Container, what: str, handler: Mapping[str, Any], offered: Sequence[str]) -> Action:
    kinds = sorted({*PROBE_ACTIONS, *HOOK_ACTIONS} & {key for key, value in handler.items() if value is not None})
    if len(kinds) != 1 or kinds[0] not in offered:
        raise Malformed(f"{what} must have one of {', '.join(offered)}, got {', '.join(kinds) or 'none'}")
    kind, details = kinds[0], handler[kinds[0]]
    if kind == "exec":
        return {"kind": "exec", "argv": _words(details, what)}
    if kind == "sleep":
        return {"kind": "sleep", "seconds": _number(details, "seconds", 0, 0, what)}
    place = {"host": str(details.get("host") or LOCAL_HOST), "port": _port(container, details.get("port"), what)}
    if kind == "httpGet":
        return {"kind": "http", **place, **_http(details, what)}
    if kind == "grpc":
        return {"kind": "grpc", "host": LOCAL_HOST, "port": place["port"], "service": str(details.get("service") or "")}
    return {"kind": "tcp", **place}


def _words(details: Mapping[str, Any], what: str) -> Sequence[str]:
    words = details.get("command") or []
    if not words or not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise Malformed(f"{what}: exec.command must be a list of strings that is not empty")
    if any("\0" in word for word in words):
        raise Refused(f"{what}: exec.command holds a NUL character, which no process can be given")
    return words


def _http(details: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    scheme = str(details.get("scheme") or "HTTP")
    if scheme not in ("HTTP", "HTTPS"):
        raise Malformed(f"{what}: scheme must be HTTP or HTTPS, got {scheme!r:.80}")
    headers = [[str(item.get("name")), str(item.get("value") or "")] for item in details.get("httpHeaders") or ()]
    if any("\r" in text or "\n" in text for pair in headers for text in pair):
        raise Malformed(f"{what}: a header of httpHeaders must be one line")
    path = "/" + str(details.get("path") or "/").removeprefix("/")
    return {"scheme": scheme, "path": quote(path, safe=string.punctuation), "headers": headers}


def _port(container: pods.Container, port: Any, what: str) -> int:
    """A number, or the number of the container's port of that name. Raises Refused."""
    if isinstance(port, str) and not port.isdigit():
        named = {str(item.get("name")): item.get("containerPort") for item in container.get("ports") or ()}
        if port not in named:
            raise Refused(f"{what}: the container has no port named {port!r:.80}")
        port = named[port]
    try:
        number = int(port)
    except (TypeError, ValueError):
        number = 0
    if not 0 < number < 1 << 16:
        raise Malformed(f"{what}: port must be a number from 1 to 65535, got {port!r:.80}")
    return number


def _number(source: Mapping[str, Any], key: str, default: int, least: int, what: str) -> int:
    value = source.get(key)
    if value is None or (value == 0 and least > 0):  # as the API server: zero is "not set" where it makes no sense
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Malformed(f"{what}: {key} must be a number of at least {least}, got {value!r:.80}")
    return value


def _policy(value: Any, what: str) -> str:
    if value not in RESTART_POLICIES:
        raise Malformed(f"{what} must be one of {', '.join(RESTART_POLICIES)}, got {value!r:.80}")
    return str(value)
