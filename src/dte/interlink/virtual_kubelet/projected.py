"""Projected and downwardAPI volumes as files with their contents: what becomes `projectedvolumesmaps`."""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dte.interlink import pods
from dte.interlink.virtual_kubelet.downward import field_value, resource_value
from dte.interlink.virtual_kubelet.env import Context
from dte.interlink.virtual_kubelet.notes import Note
from dte.interlink.virtual_kubelet.sources import Kind, Reference, find, key_missing, raw_values
from dte.interlink.virtual_kubelet.volumes import ROOT_CA
from dte.runtime.errors import Refused

DEFAULT_TOKEN_SECONDS = 3600
"""expirationSeconds of a serviceAccountToken source that sets none (API reference)."""


@dataclass(frozen=True, slots=True)
class TokenWish:
    """A service-account token that a volume of the pod asks for."""

    volume: str
    path: str
    audience: str
    """Empty: the API server's own."""
    expiration_seconds: int


Tokens = Mapping[TokenWish, str]


def token_wishes(pod: pods.Pod) -> tuple[TokenWish, ...]:
    """Every serviceAccountToken source, in the pod's order."""
    return tuple(
        _wish(str(volume.get("name") or ""), source["serviceAccountToken"])
        for volume in pods.volumes(pod)
        for source in (volume.get("projected") or {}).get("sources") or ()
        if source.get("serviceAccountToken")
    )


def _wish(volume: str, source: Mapping[str, Any]) -> TokenWish:
    return TokenWish(
        volume=volume,
        path=str(source.get("path") or ""),
        audience=str(source.get("audience") or ""),
        expiration_seconds=int(source.get("expirationSeconds") or DEFAULT_TOKEN_SECONDS),
    )


@dataclass(frozen=True, slots=True)
class Files:
    """A volume's files by path, relative to the mount."""

    volume: str
    contents: Mapping[str, bytes]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """What projected volumes are made of."""

    context: Context
    tokens: Tokens
    root_ca: str | None = None
    """PEM that replaces the content of kube-root-ca.crt: jobs see the API under another certificate."""


def projected_files(pod: pods.Pod, material: Material) -> tuple[Files, ...]:
    """The files of each projected and downwardAPI volume.

    Raises NotYet while a mandatory object or key is missing, Refused for a source that is not served.
    """
    return tuple(
        _volume_files(str(volume.get("name") or ""), sources, material)
        for volume in pods.volumes(pod)
        if (sources := _sources_of(volume)) is not None
    )


def _sources_of(volume: pods.Volume) -> list[Mapping[str, Any]] | None:
    """The list of sources, or None for a volume of another type."""
    if (downward := volume.get("downwardAPI")) is not None:
        return [{"downwardAPI": downward}]
    if (projected := volume.get("projected")) is not None:
        return list(projected.get("sources") or ())
    return None


def _volume_files(name: str, sources: list[Mapping[str, Any]], material: Material) -> Files:
    contents: dict[str, bytes] = {}
    notes: list[Note] = []
    for source in sources:
        for kind, value in source.items():
            reader = _READERS.get(kind)
            if reader is None:
                raise Refused(
                    f"volume {name}: projected source {kind!r} is not served by this node;"
                    f" use one of {', '.join(sorted(_READERS))}"
                )
            if value is not None:
                contents |= reader(name, value, material, notes)
    return Files(name, contents, tuple(notes))


def to_wire(files: Files) -> dict[str, Any]:
    """ConfigMap shape; contents that are not UTF-8 go, in base64, to `binaryData`."""
    data: dict[str, str] = {}
    binary: dict[str, str] = {}
    for path, content in files.contents.items():
        try:
            data[path] = content.decode()
        except UnicodeDecodeError:
            binary[path] = base64.b64encode(content).decode()
    wire: dict[str, Any] = {"metadata": {"name": files.volume}, "data": data}
    if binary:
        wire["binaryData"] = binary
    return wire


def _token(volume: str, source: Mapping[str, Any], material: Material, _: list[Note]) -> dict[str, bytes]:
    wish = _wish(volume, source)
    return {wish.path: material.tokens[wish].encode()}


def _object_of(kind: Kind) -> Callable[[str, Mapping[str, Any], Material, list[Note]], dict[str, bytes]]:
    def read(volume: str, source: Mapping[str, Any], material: Material, notes: list[Note]) -> dict[str, bytes]:
        reference = Reference(kind, str(source.get("name") or ""))
        return _object_files(volume, source, reference, material, notes)

    return read


def _object_files(
    volume: str, source: Mapping[str, Any], reference: Reference, material: Material, notes: list[Note]
) -> dict[str, bytes]:
    optional = bool(source.get("optional"))
    wanted_by = f"volume {volume}"
    found = find(material.context.sources, reference, optional=optional, wanted_by=wanted_by)
    if found.note is not None:
        notes.append(found.note)
    if found.item is None:
        return {}
    values = raw_values(found.item, reference.kind)
    if reference == Reference("ConfigMap", ROOT_CA) and material.root_ca is not None:
        values["ca.crt"] = material.root_ca.encode()
    items = source.get("items")
    if not items:
        return values
    return dict(_picked(items, values, reference, optional=optional, wanted_by=wanted_by))


def _picked(
    items: list[Mapping[str, Any]],
    values: Mapping[str, bytes],
    reference: Reference,
    *,
    optional: bool,
    wanted_by: str,
) -> Iterator[tuple[str, bytes]]:
    for item in items:
        key = str(item.get("key") or "")
        if key in values:
            yield str(item.get("path") or key), values[key]
        elif not optional:
            raise key_missing(reference, key, wanted_by=wanted_by)


def _downward(volume: str, source: Mapping[str, Any], material: Material, _: list[Note]) -> dict[str, bytes]:
    context = material.context
    contents: dict[str, bytes] = {}
    for item in source.get("items") or ():
        if reference := item.get("fieldRef"):
            text = field_value(context.pod, str(reference.get("fieldPath") or ""), context.place)
        elif reference := item.get("resourceFieldRef"):
            text = resource_value(context.pod, reference, context.place)
        else:
            raise Refused(f"volume {volume}: a downwardAPI item has neither fieldRef nor resourceFieldRef")
        contents[str(item.get("path") or "")] = text.encode()
    return contents


_READERS: Mapping[str, Callable[[str, Mapping[str, Any], Material, list[Note]], dict[str, bytes]]] = {
    "serviceAccountToken": _token,
    "configMap": _object_of("ConfigMap"),
    "secret": _object_of("Secret"),
    "downwardAPI": _downward,
}
