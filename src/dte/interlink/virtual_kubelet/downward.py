"""Facts about a pod that its environment and files may ask for: fieldRef and resourceFieldRef.

Source: "Downward API" in the Kubernetes documentation (docs/wire/kubernetes.md).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dte.interlink import pods
from dte.interlink.quantities import parse_quantity
from dte.interlink.virtual_kubelet.amounts import divided
from dte.runtime.errors import Refused


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pod is, before its status says so."""

    host_ip: str
    pod_ip: str
    allocatable: Mapping[str, str]
    """The node's, which stand for a limit that a container does not set."""


_FIELDS: Mapping[str, Callable[[pods.Pod, Place], str]] = {
    "metadata.name": lambda pod, _: pods.name(pod),
    "metadata.namespace": lambda pod, _: pods.namespace(pod),
    "metadata.uid": lambda pod, _: pods.pod_uid(pod),
    "metadata.labels": lambda pod, _: format_map(pods.labels(pod)),
    "metadata.annotations": lambda pod, _: format_map(pods.annotations(pod)),
    "spec.nodeName": lambda pod, _: pods.node_name(pod),
    "spec.serviceAccountName": lambda pod, _: pods.service_account(pod),
    "status.hostIP": lambda _, place: place.host_ip,
    "status.hostIPs": lambda _, place: place.host_ip,
    "status.podIP": lambda _, place: place.pod_ip,
    "status.podIPs": lambda _, place: place.pod_ip,
}

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]", re.DOTALL)


def field_value(pod: pods.Pod, field_path: str, place: Place) -> str:
    """The text of a fieldRef; an absent label or annotation is empty. Raises Refused for a path we do not serve."""
    if match := _SUBSCRIPT.fullmatch(field_path):
        values = pods.labels(pod) if match[1] == "labels" else pods.annotations(pod)
        return str(values.get(match[2], ""))
    field = _FIELDS.get(field_path)
    if field is None:
        raise Refused(f"fieldPath {field_path!r} is not served by this node; use one of {', '.join(sorted(_FIELDS))}")
    return field(pod, place)


_RESOURCE = re.compile(r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-\w+)")


def resource_value(pod: pods.Pod, reference: Mapping[str, Any], place: Place, *, container: str = "") -> str:
    """The number of a resourceFieldRef in units of its divisor, rounded up.

    `container` is the one to ask when the reference names none. A limit that is not set is what the node can
    give; a request that is not set is the limit. Raises Refused when the reference cannot be followed.
    """
    resource = str(reference.get("resource") or "")
    match = _RESOURCE.fullmatch(resource)
    if match is None:
        raise Refused(f"resourceFieldRef {resource!r} is not served by this node; use limits.cpu or limits.memory")
    name = str(reference.get("containerName") or container)
    amount = _amount(_resources(pod, name), match[1], match[2], place)
    divisor = parse_quantity(str(reference.get("divisor") or "1")) or Decimal(1)
    return str(divided(amount, divisor))


def _resources(pod: pods.Pod, name: str) -> Mapping[str, Any]:
    for container in (*pods.init_containers(pod), *pods.containers(pod)):
        if container.get("name") == name:
            return container.get("resources") or {}
    raise Refused(f"resourceFieldRef names container {name!r}, which the pod does not have")


def _amount(resources: Mapping[str, Any], kind: str, resource: str, place: Place) -> Decimal:
    limit = (resources.get("limits") or {}).get(resource)
    request = (resources.get("requests") or {}).get(resource)
    if kind == "requests":
        return parse_quantity(str(request or limit or "0"))
    return parse_quantity(str(limit or place.allocatable.get(resource, "0")))


def format_map(values: Mapping[str, str]) -> str:
    """Lines `key="quoted value"`, sorted by key, as a downward API file shows labels and annotations."""
    return "\n".join(f"{key}={_go_quoted(str(values[key]))}" for key in sorted(values))


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r"}
_ESCAPES |= {"\t": "\\t", "\v": "\\v"}


def _go_quoted(text: str) -> str:
    """Go's strconv.Quote."""
    return '"' + "".join(_ESCAPES.get(char) or _printable(char) for char in text) + '"'


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
