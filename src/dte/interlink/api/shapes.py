"""Is what a caller sent shaped like a pod, as far as this daemon reads it? Deeper checks are the sidecar's.

All raise Malformed with the path of the first thing that is wrong.
"""

import re
from collections.abc import Mapping
from typing import Any

from dte.interlink import pods
from dte.interlink.pods import DNS_LABEL, DNS_SUBDOMAIN
from dte.interlink.wire import CreateRequest, LogRequest
from dte.runtime.errors import Malformed

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def check_pod(pod: pods.Pod) -> None:
    """A pod that can be named: metadata with name, namespace and UID, and a spec that is an object."""
    metadata = _mapping(pod, "metadata", "pod")
    for key in ("labels", "annotations"):
        _mapping(metadata, key, "pod.metadata")
    spec = _mapping(pod, "spec", "pod")
    pods.pod_uid(pod)
    _name(metadata.get("namespace"), DNS_LABEL, "pod.metadata.namespace")
    _name(metadata.get("name"), DNS_SUBDOMAIN, "pod.metadata.name")
    _name(spec.get("serviceAccountName") or "default", DNS_SUBDOMAIN, "pod.spec.serviceAccountName")


def check_create(request: CreateRequest) -> None:
    """A pod whose containers and volumes can be walked, and objects that have names."""
    check_pod(request.pod)
    spec = pods.spec(request.pod)
    for key in ("initContainers", "containers"):
        for index, container in enumerate(_mappings(spec, key, "pod.spec")):
            where = f"pod.spec.{key}[{index}]"
            _name(container.get("name"), DNS_LABEL, f"{where}.name")
            _mappings(container, "volumeMounts", where)
    for index, volume in enumerate(_mappings(spec, "volumes", "pod.spec")):
        for key in ("configMap", "secret"):
            _mapping(volume, key, f"pod.spec.volumes[{index}]")
    carried = {
        "configmaps": request.config_maps,
        "secrets": request.secrets,
        "projectedvolumesmaps": request.projected,
    }
    for key, objects in carried.items():
        for index, item in enumerate(objects):
            _mapping(item, "metadata", f"{key}[{index}]")


def check_log_request(request: LogRequest) -> None:
    """The checks, their order and their texts are upstream's (docs/wire/interlink.md)."""
    options = request.options
    if not DNS_LABEL.fullmatch(request.namespace):
        raise Malformed("invalid namespace: must be a valid DNS label")
    if not UUID.fullmatch(request.pod_uid):
        raise Malformed("invalid pod UID: must be a valid UUID")
    if not DNS_LABEL.fullmatch(request.container):
        raise Malformed("invalid container name: must be a valid DNS label")
    if options.tail and options.limit_bytes:
        raise Malformed("Both Tail and LimitBytes set. Set only one of them")
    if options.since_seconds and options.since_time:
        raise Malformed("Both SinceSeconds and SinceTime set. Set only one of them")


def _mapping(parent: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{where}.{key} must be a JSON object")
    return value


def _mappings(parent: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{where}.{key} must be a list of JSON objects")
    return value


def _name(value: object, pattern: re.Pattern[str], where: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Malformed(f"{where} must be a name as Kubernetes allows it, got {str(value)[:80]!r}")
