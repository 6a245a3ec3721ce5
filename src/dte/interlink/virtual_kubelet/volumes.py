"""ConfigMap and Secret volumes of a pod: which objects travel with the create request."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dte.interlink import pods
from dte.interlink.virtual_kubelet.notes import Note
from dte.interlink.virtual_kubelet.sources import Reference, Sources, find, key_missing, raw_values

ROOT_CA = "kube-root-ca.crt"
"""The ConfigMap with the cluster's CA that every namespace has."""


@dataclass(frozen=True, slots=True)
class VolumeObjects:
    """The objects of a pod's volumes, each once, and what had to be left out."""

    config_maps: tuple[Mapping[str, Any], ...]
    secrets: tuple[Mapping[str, Any], ...]
    notes: tuple[Note, ...]


def volume_objects(pod: pods.Pod, sources: Sources) -> VolumeObjects:
    """Raises NotYet while an object, or a key that `items` names, is missing and not optional."""
    objects: dict[Reference, Mapping[str, Any]] = {}
    notes: list[Note] = []
    for volume, reference, source in _object_volumes(pod):
        optional = bool(source.get("optional"))
        wanted_by = f"volume {volume.get('name')}"
        found = find(sources, reference, optional=optional, wanted_by=wanted_by)
        if found.note is not None:
            notes.append(found.note)
        if found.item is None:
            continue
        if not optional:
            _check_items(source, reference, found.item, wanted_by)
        objects[reference] = without_history(found.item)
    return VolumeObjects(
        config_maps=tuple(objects[key] for key in sorted(objects) if key.kind == "ConfigMap"),
        secrets=tuple(objects[key] for key in sorted(objects) if key.kind == "Secret"),
        notes=tuple(notes),
    )


def _object_volumes(pod: pods.Pod) -> Iterator[tuple[pods.Volume, Reference, Mapping[str, Any]]]:
    for volume in pods.volumes(pod):
        if source := volume.get("configMap"):
            yield volume, Reference("ConfigMap", str(source.get("name") or "")), source
        if source := volume.get("secret"):
            yield volume, Reference("Secret", str(source.get("secretName") or "")), source


def _check_items(source: Mapping[str, Any], reference: Reference, item: Mapping[str, Any], wanted_by: str) -> None:
    present = raw_values(item, reference.kind)
    for entry in source.get("items") or ():
        if entry.get("key") not in present:
            raise key_missing(reference, str(entry.get("key")), wanted_by=wanted_by)


def without_history(item: Mapping[str, Any]) -> dict[str, Any]:
    """A Kubernetes object without managedFields, which only the API server reads and which may be the most of it."""
    slim = dict(item)
    slim["metadata"] = {key: value for key, value in (item.get("metadata") or {}).items() if key != "managedFields"}
    return slim
