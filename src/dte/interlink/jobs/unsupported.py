"""What a pod asks for and does not get: a line of warning for each, from the table of fields. No I/O here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dte.interlink import pods
from dte.interlink.jobs.fields import CONTAINER, NO_IMAGES, POD, warned

RESERVED_BY_THE_BATCH_SYSTEM = frozenset({"cpu", "memory", "ephemeral-storage"})


def warnings_for(pod: pods.Pod) -> Sequence[str]:
    """A line for every field of `pod` that is set and not honoured, and one about images."""
    containers = (*pods.init_containers(pod), *pods.containers(pod))
    images = sorted({str(container.get("image")) for container in containers if container.get("image")})
    lines = [f"{NO_IMAGES}: {', '.join(images)}"] if images else []
    lines += [f"pod: {name} {field.text}" for name, field in warned(POD, pods.spec(pod))]
    for container in containers:
        lines += _of_container(container)
    return lines


def _of_container(container: pods.Container) -> Iterable[str]:
    owner = f"container {container.get('name')}"
    for name, field in warned(CONTAINER, container):
        if name != "image":  # one line for all images
            yield f"{owner}: {name} {field.text}"
    for resource in _limits(container):
        if resource not in RESERVED_BY_THE_BATCH_SYSTEM:
            yield f"{owner}: limit {resource} does not choose devices; the job has those that its options ask for"


def _limits(container: pods.Container) -> Mapping[str, Any]:
    limits = (container.get("resources") or {}).get("limits")
    return limits if isinstance(limits, Mapping) else {}
