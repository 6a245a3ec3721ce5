"""What is kept of a pod once its job is queued: a tenth of it. A node of thousands of pods must stay small."""

from collections.abc import Mapping
from typing import Any

from dte.interlink import pods

_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's copy of the whole manifest."""
_SPEC = ("nodeName", "serviceAccountName", "restartPolicy", "readinessGates")
_CONTAINER = ("name", "image", "restartPolicy", "resources")


def kept(pod: pods.Pod) -> dict[str, Any]:
    """The pod without what only the create request needed: commands, environment, volumes."""
    metadata = _picked(pods.metadata(pod), _METADATA)
    metadata["annotations"] = {key: text for key, text in pods.annotations(pod).items() if key != _LAST_APPLIED}
    spec = _picked(pods.spec(pod), _SPEC)
    for key in ("initContainers", "containers"):
        spec[key] = [_picked(item, _CONTAINER) for item in pods.spec(pod).get(key) or ()]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": pods.status(pod)}


def _picked(mapping: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: mapping[key] for key in keys if key in mapping}
