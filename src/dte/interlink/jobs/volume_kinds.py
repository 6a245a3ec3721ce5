"""A volume of a pod as it will be on the compute node, for each kind of volume that is offered. No I/O here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import PurePosixPath
from typing import Any

from dte.interlink import pods
from dte.interlink.jobs.directory import checked_label
from dte.interlink.jobs.objects import Objects
from dte.interlink.jobs.paths import absolute_path, confined_path
from dte.interlink.quantities import parse_quantity
from dte.runtime.errors import Malformed, Refused

HOST_PATH_TYPES = (
    "",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
    "CharDevice",
    "BlockDevice",
)
DEFAULT_MODE = 0o644
PRIVATE = 0o700
"""Mask of modes in volumes that hold secrets or tokens: for the owner, who is the job's account, only."""
READABLE = 0o400


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file of a volume. `path` is relative to the job directory, without `..` and without empty components."""

    path: str
    data: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class HostPath:
    """A path of the compute node, which is looked at there."""

    path: str
    type: str
    """Kubernetes' HostPathType; empty: whatever is there, and a new directory where nothing is."""
    allowed: Sequence[str]
    """The site's prefixes; where links lead out of them, the node refuses it."""


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """What an emptyDir may hold."""

    volume: str
    directory: str
    size_bytes: int | None
    """None: no limit of its own."""
    text: str
    """As the pod has it."""
    is_memory: bool


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume as it will lie in the job directory, or, with `host`, elsewhere on the node."""

    directory: str
    files: Sequence[PlannedFile] = ()
    is_writable: bool = False
    warnings: Sequence[str] = ()
    host: HostPath | None = None
    limit: SizeLimit | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What volumes may draw on: the objects that came with the pod, and the node's paths that the site allows."""

    objects: Objects
    host_paths: Sequence[str] = ()


def plan_volume(volume: pods.Volume, offer: Offer, owner: str) -> Volume:
    """Raises Refused for types that are not offered, naming the container `owner` that mounts it."""
    name = checked_label(str(volume.get("name")), "volume name")
    for kind, plan in _KINDS.items():
        if volume.get(kind) is not None:
            return plan(name, volume[kind], offer)
    kinds = ", ".join(sorted(key for key, value in volume.items() if key != "name" and value is not None)) or "none"
    offered = ", ".join(_KINDS)
    raise Refused(f"{owner} mounts volume {name} of type {kinds}, which this site does not offer; it offers {offered}")


def _config_map(name: str, source: Mapping[str, Any], offer: Offer) -> Volume:
    directory = f"configMaps/{name}"
    contents = _contents_of(source, str(source.get("name")), offer.objects.config_maps, f"volume {name}: ConfigMap")
    return Volume(directory, _selected(directory, source, contents, mask=0o777))


def _secret(name: str, source: Mapping[str, Any], offer: Offer) -> Volume:
    directory = f"secrets/{name}"
    contents = _contents_of(source, str(source.get("secretName")), offer.objects.secrets, f"volume {name}: Secret")
    return Volume(directory, _selected(directory, source, contents, mask=PRIVATE))


def _projected(name: str, source: Mapping[str, Any], offer: Offer) -> Volume:
    """The virtual kubelet has resolved the sources; their items say only modes here."""
    directory = f"projectedVolumeMaps/{name}"
    if name not in offer.objects.projected:
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
            for path, data in offer.objects.projected[name].items()
        ),
    )


def _empty_dir(name: str, source: Mapping[str, Any], offer: Offer) -> Volume:
    """In memory, or in the job directory, with a limit of its own or without."""
    del offer
    directory = f"emptyDirs/{name}"
    medium, text = str(source.get("medium") or ""), source.get("sizeLimit")
    if medium not in ("", "Memory"):
        raise Refused(f"volume {name}: emptyDir.medium {medium!r:.40} is not offered at this site; it offers Memory")
    size_bytes = None
    if text is not None:
        try:
            size_bytes = ceil(parse_quantity(str(text))) or None  # as kubelet: zero is no limit
        except ValueError as error:
            raise Malformed(f"volume {name}: emptyDir.sizeLimit: {error}") from error
    limit = None
    if medium or size_bytes is not None:
        limit = SizeLimit(name, directory, size_bytes, str(text or ""), medium == "Memory")
    return Volume(directory, is_writable=True, limit=limit)


def _host_path(name: str, source: Mapping[str, Any], offer: Offer) -> Volume:
    """Raises Refused outside of what the site allows. What is there, only the node knows."""
    path = absolute_path(source.get("path"), f"volume {name}: hostPath.path")
    kind = str(source.get("type") or "")
    if kind not in HOST_PATH_TYPES:
        raise Malformed(f"volume {name}: not a type of hostPath: {kind!r:.80}")
    if not any(PurePosixPath(path).is_relative_to(prefix) for prefix in offer.host_paths):
        allowed = ", ".join(offer.host_paths) or "none"
        raise Refused(f"volume {name}: hostPath {path} is not allowed at this site; allowed are: {allowed}")
    return Volume("", is_writable=True, host=HostPath(path, kind, offer.host_paths))


_KINDS: Mapping[str, Callable[[str, Mapping[str, Any], Offer], Volume]] = {
    "configMap": _config_map,
    "secret": _secret,
    "projected": _projected,
    "downwardAPI": _projected,
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
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
