"""Named accessors to Kubernetes objects, which stay plain JSON mappings from end to end. No I/O here."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from dte.runtime.errors import Malformed

Pod = Mapping[str, Any]
"""The JSON of a core/v1 Pod; null and missing mean the same (Go writes both)."""
Container = Mapping[str, Any]
Volume = Mapping[str, Any]
VolumeMount = Mapping[str, Any]


DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
"""RFC 1123, section 2.1: names of namespaces, containers and volumes."""
DNS_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)
"""RFC 1123: names of pods and service accounts."""


def metadata(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    return thing.get("metadata") or {}


def spec(pod: Pod) -> Mapping[str, Any]:
    return pod.get("spec") or {}


def status(pod: Pod) -> Mapping[str, Any]:
    return pod.get("status") or {}


def name(thing: Mapping[str, Any]) -> str:
    return str(metadata(thing).get("name") or "")


def namespace(thing: Mapping[str, Any]) -> str:
    return str(metadata(thing).get("namespace") or "")


def pod_uid(pod: Pod) -> str:
    """The UID in lower-case hexadecimal with dashes: it becomes a file name and a job name.

    Raises Malformed for anything else.
    """
    text = str(metadata(pod).get("uid") or "")
    try:
        return checked_uid(text)
    except ValueError as error:
        raise Malformed(f"metadata.uid of pod {namespace(pod)}/{name(pod)} must be a UUID, got {text!r}") from error


def checked_uid(text: str) -> str:
    """`text` itself when it is a UUID as Kubernetes writes it; raises ValueError otherwise."""
    if str(uuid.UUID(text)) != text:
        raise ValueError(f"not a UUID in lower case with dashes: {text!r}")
    return text


def annotations(pod: Pod) -> Mapping[str, str]:
    return metadata(pod).get("annotations") or {}


def labels(pod: Pod) -> Mapping[str, str]:
    return metadata(pod).get("labels") or {}


REQUESTER_LABEL = "dte.intertwin.eu/requester"


def requester(pod: Pod) -> str:
    """On whose behalf the pod was made: a label, as true as the cluster's admission policy makes it."""
    return str(labels(pod).get(REQUESTER_LABEL) or "")


def node_name(pod: Pod) -> str:
    return str(spec(pod).get("nodeName") or "")


def service_account(pod: Pod) -> str:
    return str(spec(pod).get("serviceAccountName") or "default")


def init_containers(pod: Pod) -> Sequence[Container]:
    return spec(pod).get("initContainers") or ()


def containers(pod: Pod) -> Sequence[Container]:
    return spec(pod).get("containers") or ()


def volumes(pod: Pod) -> Sequence[Volume]:
    return spec(pod).get("volumes") or ()


def volume_mounts(container: Container) -> Sequence[VolumeMount]:
    return container.get("volumeMounts") or ()


def phase(pod: Pod) -> str:
    return str(status(pod).get("phase") or "Pending")


def is_terminal(pod: Pod) -> bool:
    """Succeeded and Failed are final."""
    return phase(pod) in ("Succeeded", "Failed")


def is_being_deleted(pod: Pod) -> bool:
    return bool(metadata(pod).get("deletionTimestamp"))
