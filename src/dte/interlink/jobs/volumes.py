"""The volumes of a pod, and what of them each container mounts where. No I/O here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from dte.interlink import pods
from dte.interlink.expansion import expand, unknown_names
from dte.interlink.jobs.paths import absolute_path, confined_path
from dte.interlink.jobs.volume_kinds import HostPath, Offer, PlannedFile, SizeLimit, Volume, plan_volume
from dte.runtime.errors import Malformed, Refused


@dataclass(frozen=True, slots=True)
class PlannedMount:
    """`source`, relative to the job directory, to be seen at the absolute path `target`."""

    source: str
    """In a volume of the node: the part of it, or empty for all of it."""
    target: str
    read_only: bool
    host: HostPath | None = None


@dataclass(frozen=True, slots=True)
class VolumePlan:
    files: Sequence[PlannedFile]
    directories: Sequence[str]
    mounts: Mapping[str, Sequence[PlannedMount]]
    """By container."""
    limits: Sequence[SizeLimit]
    warnings: Sequence[str]


def plan_volumes(
    pod: pods.Pod, offer: Offer, variables: Mapping[str, Mapping[str, str]] = MappingProxyType({})
) -> VolumePlan:
    """Plan all volumes that some container mounts; `variables` are the containers' environments. Raises Refused."""
    defined = {str(volume.get("name")): volume for volume in pods.volumes(pod)}
    used: dict[str, Volume] = {}
    mounts: dict[str, Sequence[PlannedMount]] = {}
    made: list[str] = []
    warnings: list[str] = []
    for container in (*pods.init_containers(pod), *pods.containers(pod)):
        owner = f"container {container.get('name')}"
        planned: list[PlannedMount] = []
        for mount in pods.volume_mounts(container):
            name = str(mount.get("name"))
            if name not in defined:
                raise Refused(f"{owner} mounts volume {name!r:.80}, which the pod does not define")
            if name not in used:
                used[name] = plan_volume(defined[name], offer, owner)
            own = variables.get(str(container.get("name"))) or {}
            planned.append(plan_mount(mount, used[name], owner, own))
            if used[name].host is None:
                made.append(planned[-1].source if used[name].is_writable else used[name].directory)
            if mount.get("mountPropagation") not in (None, "None"):
                warnings.append(f"{owner}, mount {mount.get('mountPath')}: mountPropagation is not honoured")
        mounts[str(container.get("name"))] = planned
    return VolumePlan(
        files=[file for volume in used.values() for file in volume.files],
        directories=sorted({*made, *(volume.directory for volume in used.values() if volume.host is None)}),
        mounts=mounts,
        limits=[volume.limit for volume in used.values() if volume.limit is not None],
        warnings=[*(warning for volume in used.values() for warning in volume.warnings), *warnings],
    )


def plan_mount(
    mount: pods.VolumeMount, volume: Volume, owner: str, variables: Mapping[str, str] = MappingProxyType({})
) -> PlannedMount:
    """Raises Refused for a path that is none and for what is not in the volume."""
    target = absolute_path(mount.get("mountPath"), f"{owner}: mountPath")
    part = _part(mount, f"{owner}, mount {target}", variables)
    source = "/".join(text for text in (volume.directory, part) if text)
    if part and not volume.is_writable:
        has_it = any(file.path == source or file.path.startswith(source + "/") for file in volume.files)
        if not has_it:
            raise Refused(f"{owner}, mount {target}: volume {mount['name']} has no {part!r:.80}")
    read_only = bool(mount.get("readOnly")) or not volume.is_writable  # as kubelet: what it fills is read-only
    return PlannedMount(source, target, read_only, volume.host)


def _part(mount: pods.VolumeMount, what: str, variables: Mapping[str, str]) -> str:
    """subPath or subPathExpr, which has variables of the container in it; empty: all of the volume."""
    text, expression = mount.get("subPath"), mount.get("subPathExpr")
    if text and expression:
        raise Malformed(f"{what}: subPath and subPathExpr exclude each other")
    if expression:
        missing = unknown_names(str(expression), variables)
        if missing:
            raise Refused(f"{what}: subPathExpr names {', '.join(missing)}, which the container's environment lacks")
        return confined_path(expand(str(expression), variables), f"{what}: subPathExpr")
    return confined_path(text, f"{what}: subPath") if text else ""
