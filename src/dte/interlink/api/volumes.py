"""Which ConfigMaps, Secrets and projected files each container of a pod mounts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dte.interlink import pods
from dte.interlink.wire import ContainerVolumes, CreateRequest, KubernetesObject


@dataclass(frozen=True, slots=True)
class Matched:
    """For init containers first, then containers, in the pod's order."""

    containers: Sequence[ContainerVolumes]
    missing: Sequence[str]
    """What mounts name and the request does not carry, a text each, such as `configmap settings`."""


@dataclass(frozen=True, slots=True)
class _Objects:
    """What a request carries, by kind and name."""

    by_kind: Mapping[str, Mapping[str, KubernetesObject]]

    def find(self, kind: str, name: str) -> KubernetesObject | None:
        return self.by_kind[kind].get(name)


CONFIG_MAP, SECRET, PROJECTED = "configmap", "secret", "projected volume"


def match_volumes(request: CreateRequest) -> Matched:
    """Give each container the objects that its volumeMounts need, once each, in the order of its mounts.

    A ConfigMap and a Secret are found by the name in the volume's source; projected and downwardAPI volumes by
    the volume's own name. A missing object is no error: it may be optional, and the sidecar knows better.
    """
    objects = _Objects(
        {
            CONFIG_MAP: _by_name(request.config_maps),
            SECRET: _by_name(request.secrets),
            PROJECTED: _by_name(request.projected),
        }
    )
    sources = {str(volume.get("name")): volume for volume in pods.volumes(request.pod)}
    missing: dict[str, None] = {}
    containers = [
        _of_container(container, sources, objects, missing)
        for container in (*pods.init_containers(request.pod), *pods.containers(request.pod))
    ]
    return Matched(containers, tuple(missing))


def needed_objects(pod: pods.Pod) -> Sequence[str]:
    """The ConfigMaps and Secrets that the pod's volumes cannot do without, such as `configmap settings`."""
    needed = []
    for volume in pods.volumes(pod):
        for kind, key in ((CONFIG_MAP, "configMap"), (SECRET, "secret")):
            source = volume.get(key)
            if source is not None and not source.get("optional"):
                needed.append(f"{kind} {source.get('name') or source.get('secretName')}")
    return needed


def _by_name(objects: Iterable[KubernetesObject]) -> dict[str, KubernetesObject]:
    return {pods.name(item): item for item in objects}


def _of_container(
    container: pods.Container,
    sources: Mapping[str, pods.Volume],
    objects: _Objects,
    missing: dict[str, None],
) -> ContainerVolumes:
    found: dict[str, dict[str, KubernetesObject]] = {CONFIG_MAP: {}, SECRET: {}, PROJECTED: {}}
    for mount in pods.volume_mounts(container):
        needed = _needed(sources.get(str(mount.get("name")), {}))
        if needed is None:
            continue
        kind, name = needed
        item = objects.find(kind, name)
        if item is None:
            missing[f"{kind} {name}"] = None
        else:
            found[kind][name] = item
    return ContainerVolumes(
        name=str(container.get("name") or ""),
        config_maps=tuple(found[CONFIG_MAP].values()),
        projected=tuple(found[PROJECTED].values()),
        secrets=tuple(found[SECRET].values()),
    )


def _needed(volume: pods.Volume) -> tuple[str, str] | None:
    """Kind and name of the object behind `volume`; None when it needs none (emptyDir, hostPath, undefined)."""
    if volume.get("configMap") is not None:
        return CONFIG_MAP, str(volume["configMap"].get("name") or "")
    if volume.get("secret") is not None:
        return SECRET, str(volume["secret"].get("secretName") or "")
    if volume.get("projected") is not None or volume.get("downwardAPI") is not None:
        return PROJECTED, str(volume.get("name") or "")
    return None
