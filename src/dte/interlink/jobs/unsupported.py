"""What a pod may ask for and this version does not do: one table, a line of warning for each. No I/O here."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dte.interlink import pods

NO_IMAGES = "images are not used at this site, programs are the compute node's own (ContainerRuntime plain)"
POD_FIELDS: Mapping[str, str] = {
    "securityContext": "is not honoured: the job runs as the site's account",
    "hostAliases": "is not honoured",
    "dnsConfig": "is not honoured: the compute node's resolver is used",
    "hostname": "is not honoured: the compute node keeps its name",
    "subdomain": "is not honoured",
    "runtimeClassName": "is not honoured",
    "ephemeralContainers": "are not run",
    "resourceClaims": "are not honoured",
}
CONTAINER_FIELDS: Mapping[str, str] = {
    "securityContext": "is not honoured: the container runs as the site's account",
    "stdin": "is not honoured: standard input is empty",
    "tty": "is not honoured: output goes to a pipe",
}
RESERVED_BY_THE_BATCH_SYSTEM = frozenset({"cpu", "memory", "ephemeral-storage"})


def warnings_for(pod: pods.Pod) -> Sequence[str]:
    """A line for every field of `pod` that is set and not honoured, and one about images."""
    containers = (*pods.init_containers(pod), *pods.containers(pod))
    images = sorted({str(container.get("image")) for container in containers if container.get("image")})
    lines = [f"{NO_IMAGES}: {', '.join(images)}"] if images else []
    lines += [f"pod: {key} {text}" for key, text in POD_FIELDS.items() if pods.spec(pod).get(key)]
    for container in containers:
        lines += _of_container(container)
    return lines


def _of_container(container: pods.Container) -> Iterable[str]:
    owner = f"container {container.get('name')}"
    for key, text in CONTAINER_FIELDS.items():
        if container.get(key):
            yield f"{owner}: {key} {text}"
    for resource in _limits(container):
        if resource not in RESERVED_BY_THE_BATCH_SYSTEM:
            yield f"{owner}: limit {resource} does not choose devices; the job has those that its options ask for"


def _limits(container: pods.Container) -> Mapping[str, Any]:
    limits = (container.get("resources") or {}).get("limits")
    return limits if isinstance(limits, Mapping) else {}
