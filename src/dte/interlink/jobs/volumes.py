"""The files of a pod's volumes, and what of them each container mounts where. No I/O here.

Contents stay byte for byte what Kubernetes holds. Every path is confined: one component for keys, no `..` anywhere.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from dte.interlink import pods
from dte.interlink.jobs.directory import checked_label
from dte.interlink.wire import ContainerVolumes, KubernetesObject
from dte.runtime.errors import Malformed, Refused

DEFAULT_MODE = 0o644
PRIVATE = 0o700
"""Mask of modes in volumes that hold secrets or tokens: for the owner, who is the job's account, only."""
READABLE = 0o400
MAX_COMPONENT_BYTES, MAX_PATH_BYTES = 255, 1024


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of a volume. `path` is relative to the job directory, without `..` and without empty components."""

    path: str
    data: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class PlannedMount:
    """`source`, relative to the job directory, to be seen at the absolute path `target`."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume as it will lie in the job directory."""

    directory: str
    files: Sequence[PlannedFile] = ()
    is_writable: bool = False
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class VolumePlan:
    files: Sequence[PlannedFile]
    directories: Sequence[str]
    mounts: Mapping[str, Sequence[PlannedMount]]
    """By container."""
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class Objects:
    """Contents that came with a create request: file contents by key, by the name of their object."""

    config_maps: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    projected: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    """By the name of the volume; its keys are paths."""


def collect_objects(containers: Iterable[ContainerVolumes]) -> Objects:
    """Decode what containers mount. Raises Malformed."""
    config_maps: dict[str, Mapping[str, bytes]] = {}
    secrets: dict[str, Mapping[str, bytes]] = {}
    projected: dict[str, Mapping[str, bytes]] = {}
    for container in containers:
        config_maps.update((pods.name(item), _contents(item)) for item in container.config_maps)
        projected.update((pods.name(item), _contents(item)) for item in container.projected)
        secrets.update((pods.name(item), _base64_values(item, "data")) for item in container.secrets)
    return Objects(config_maps, secrets, projected)


def _contents(thing: KubernetesObject) -> Mapping[str, bytes]:
    """Of a ConfigMap: text and binary data."""
    text = {key: encoded(value, f"{pods.name(thing)}: {key}") for key, value in _strings(thing, "data")}
    return {**text, **_base64_values(thing, "binaryData")}


def _base64_values(thing: KubernetesObject, key_of_data: str) -> Mapping[str, bytes]:
    result = {}
    for key, value in _strings(thing, key_of_data):
        try:
            result[key] = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Malformed(f"{key_of_data} of {pods.name(thing)}: {key} is not base64") from error
    return result


def _strings(thing: KubernetesObject, key_of_data: str) -> Iterable[tuple[str, str]]:
    data = thing.get(key_of_data) or {}
    if not isinstance(data, Mapping) or not all(isinstance(value, str) for value in data.values()):
        raise Malformed(f"{key_of_data} of {pods.name(thing)} must map keys to strings")
    return data.items()


def encoded(text: str, what: str) -> bytes:
    """UTF-8. Raises Refused for half a surrogate pair, which JSON can carry and UTF-8 cannot."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"{what} is not valid Unicode") from error


def confined_path(text: Any, what: str) -> str:
    """A relative path below some directory, normalised. Raises Refused for one that is none."""
    if not isinstance(text, str) or "\0" in text or text.startswith("/"):
        raise Refused(f"{what} must be a relative path, got {text!r:.80}")
    path = PurePosixPath(text)
    if not path.parts or ".." in path.parts:
        raise Refused(f"{what} must be a path without .. components, got {text!r:.80}")
    if len(encoded(text, what)) > MAX_PATH_BYTES or any(
        len(part.encode()) > MAX_COMPONENT_BYTES for part in path.parts
    ):
        raise Refused(f"{what} is too long: {text!r:.80}")
    return str(path)


def absolute_path(text: Any, what: str) -> str:
    """A path in a container, normalised. Raises Refused for one that is none."""
    if not isinstance(text, str) or not text.startswith("/"):
        raise Refused(f"{what} must be absolute, got {text!r:.80}")
    return "/" + confined_path(text.lstrip("/"), what)


def plan_volumes(pod: pods.Pod, objects: Objects) -> VolumePlan:
    """Plan all volumes that some container mounts. Raises Refused."""
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
                used[name] = plan_volume(defined[name], objects, owner)
            planned.append(plan_mount(mount, used[name], owner))
            made.append(planned[-1].source if used[name].is_writable else used[name].directory)
            if mount.get("mountPropagation") not in (None, "None"):
                warnings.append(f"{owner}, mount {mount.get('mountPath')}: mountPropagation is not honoured")
        mounts[str(container.get("name"))] = planned
    return VolumePlan(
        files=[file for volume in used.values() for file in volume.files],
        directories=sorted({*made, *(volume.directory for volume in used.values())}),
        mounts=mounts,
        warnings=[*(warning for volume in used.values() for warning in volume.warnings), *warnings],
    )


def plan_mount(mount: pods.VolumeMount, volume: Volume, owner: str) -> PlannedMount:
    """Raises Refused for a path that is none and for what is not in the volume."""
    target = absolute_path(mount.get("mountPath"), f"{owner}: mountPath")
    if mount.get("subPathExpr"):
        raise Refused(f"{owner}, mount {target}: subPathExpr is not supported, use subPath")
    source = volume.directory
    if mount.get("subPath"):
        source += "/" + confined_path(mount["subPath"], f"{owner}, mount {target}: subPath")
        has_it = any(file.path == source or file.path.startswith(source + "/") for file in volume.files)
        if not has_it and not volume.is_writable:
            raise Refused(f"{owner}, mount {target}: volume {mount['name']} has no {mount['subPath']!r:.80}")
    read_only = bool(mount.get("readOnly")) or not volume.is_writable  # as kubelet: what it fills is read-only
    return PlannedMount(source, target, read_only)


def plan_volume(volume: pods.Volume, objects: Objects, owner: str) -> Volume:
    """Raises Refused for types that are not offered, naming the container `owner` that mounts it."""
    name = checked_label(str(volume.get("name")), "volume name")
    for kind, plan in _KINDS.items():
        if volume.get(kind) is not None:
            return plan(name, volume[kind], objects)
    kinds = ", ".join(sorted(key for key, value in volume.items() if key != "name" and value is not None)) or "none"
    offered = ", ".join(_KINDS)
    raise Refused(f"{owner} mounts volume {name} of type {kinds}, which this site does not offer; it offers {offered}")


def _config_map(name: str, source: Mapping[str, Any], objects: Objects) -> Volume:
    directory = f"configMaps/{name}"
    contents = _contents_of(source, str(source.get("name")), objects.config_maps, f"volume {name}: ConfigMap")
    return Volume(directory, _selected(directory, source, contents, mask=0o777))


def _secret(name: str, source: Mapping[str, Any], objects: Objects) -> Volume:
    directory = f"secrets/{name}"
    contents = _contents_of(source, str(source.get("secretName")), objects.secrets, f"volume {name}: Secret")
    return Volume(directory, _selected(directory, source, contents, mask=PRIVATE))


def _projected(name: str, source: Mapping[str, Any], objects: Objects) -> Volume:
    """The virtual kubelet has resolved the sources; their items say only modes here."""
    directory = f"projectedVolumeMaps/{name}"
    if name not in objects.projected:
        return Volume(directory, warnings=[f"volume {name} is empty: its content did not come with the pod"])
    modes: dict[str, int] = {}
    for part in source.get("sources") or [{"downwardAPI": source}]:
        for kind in ("configMap", "secret", "downwardAPI"):
            for item in (part.get(kind) or {}).get("items") or ():
                modes[str(item.get("path"))] = _mode(item.get("mode"), _mode(source.get("defaultMode"), DEFAULT_MODE))
    return Volume(
        directory,
        _without_clashes(
            _file(directory, path, data, modes.get(path, _mode(source.get("defaultMode"), DEFAULT_MODE)), PRIVATE)
            for path, data in objects.projected[name].items()
        ),
    )


def _empty_dir(name: str, source: Mapping[str, Any], objects: Objects) -> Volume:
    del objects
    ignored = [key for key in ("medium", "sizeLimit") if source.get(key)]
    warnings = [f"volume {name}: emptyDir.{key} is not honoured" for key in ignored]
    return Volume(f"emptyDirs/{name}", is_writable=True, warnings=warnings)


_KINDS: Mapping[str, Callable[[str, Mapping[str, Any], Objects], Volume]] = {
    "configMap": _config_map,
    "secret": _secret,
    "projected": _projected,
    "downwardAPI": _projected,
    "emptyDir": _empty_dir,
}


def _contents_of(
    source: Mapping[str, Any], name: str, known: Mapping[str, Mapping[str, bytes]], what: str
) -> Mapping[str, bytes]:
    if name in known:
        return known[name]
    if source.get("optional"):
        return {}
    raise Refused(f"{what} {name!r:.80} did not come with the pod")


def _selected(
    directory: str, source: Mapping[str, Any], contents: Mapping[str, bytes], *, mask: int
) -> Sequence[PlannedFile]:
    """All keys, or those that `items` names at the paths that it gives them."""
    default = _mode(source.get("defaultMode"), DEFAULT_MODE)
    items = source.get("items")
    if not items:
        return [_file(directory, _key(key), data, default, mask) for key, data in contents.items()]
    files = []
    for item in items:
        key = str(item.get("key"))
        if key in contents:
            files.append(_file(directory, item.get("path"), contents[key], _mode(item.get("mode"), default), mask))
        elif not source.get("optional"):
            raise Refused(f"{directory}: there is no key {key!r:.80} for path {item.get('path')!r:.80}")
    return _without_clashes(files)


def _key(key: str) -> str:
    if "/" in key:
        raise Refused(f"key {key!r:.80} of a volume must be a file name")
    return key


def _file(directory: str, path: Any, data: bytes, mode: int, mask: int) -> PlannedFile:
    inside = confined_path(path, f"path in {directory}")
    return PlannedFile(f"{directory}/{inside}", data, mode & mask | READABLE)


def _mode(raw: Any, default: int) -> int:
    if raw is None:
        return default
    if not isinstance(raw, int) or isinstance(raw, bool) or not 0 <= raw <= 0o777:
        raise Malformed(f"a file mode must be a number from 0 to 511, got {raw!r:.80}")
    return raw


def _without_clashes(files: Iterable[PlannedFile]) -> Sequence[PlannedFile]:
    """The last of several at one path, as kubelet; raises Refused when one is a directory to another."""
    by_path = {file.path: file for file in files}
    for path in by_path:
        for parent in PurePosixPath(path).parents:
            if str(parent) in by_path:
                raise Refused(f"{parent} and {path} cannot both be files of a volume")
    return list(by_path.values())
