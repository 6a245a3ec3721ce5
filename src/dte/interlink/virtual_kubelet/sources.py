"""The ConfigMaps and Secrets that a pod names, and the rules for a missing one."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dte.interlink import pods
from dte.interlink.virtual_kubelet.notes import Note, NotYet

Kind = Literal["ConfigMap", "Secret"]


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """One object of the pod's namespace."""

    kind: Kind
    name: str


Sources = Mapping[Reference, Mapping[str, Any] | None]
"""What the cluster answered for each reference; None where there is no such object."""


def references(pod: pods.Pod) -> frozenset[Reference]:
    """Every ConfigMap and Secret that the pod's environment and volumes name."""
    return frozenset((*_of_environment(pod), *_of_volumes(pod)))


def _of_environment(pod: pods.Pod) -> Iterator[Reference]:
    for container in (*pods.init_containers(pod), *pods.containers(pod)):
        for entry in container.get("envFrom") or ():
            yield from _named(entry, "configMapRef", "secretRef")
        for variable in container.get("env") or ():
            yield from _named(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")


def _of_volumes(pod: pods.Pod) -> Iterator[Reference]:
    for volume in pods.volumes(pod):
        if config_map := volume.get("configMap"):
            yield Reference("ConfigMap", str(config_map.get("name") or ""))
        if secret := volume.get("secret"):
            yield Reference("Secret", str(secret.get("secretName") or ""))
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _named(source, "configMap", "secret")


def _named(entry: Mapping[str, Any], config_map_key: str, secret_key: str) -> Iterator[Reference]:
    if reference := entry.get(config_map_key):
        yield Reference("ConfigMap", str(reference.get("name") or ""))
    if reference := entry.get(secret_key):
        yield Reference("Secret", str(reference.get("name") or ""))


@dataclass(frozen=True, slots=True)
class Found:
    """An object, or the note that an optional one is missing."""

    item: Mapping[str, Any] | None
    note: Note | None = None


def find(sources: Sources, reference: Reference, *, optional: bool, wanted_by: str) -> Found:
    """The object behind `reference`; `wanted_by` names the place in the pod, for the reader of the event.

    Raises NotYet when it is missing and not optional: the pod waits for it, as under any kubelet.
    """
    item = sources.get(reference)
    if item is not None:
        return Found(item)
    text = f"{reference.kind} {reference.name!r} not found ({wanted_by})"
    if not optional:
        raise NotYet(Note(f"Mandatory{reference.kind}NotFound", f"{text}; the pod waits until it is created"))
    return Found(None, Note(f"Optional{reference.kind}NotFound", f"{text}; it is optional and left out", "Normal"))


def key_missing(reference: Reference, key: str, *, wanted_by: str) -> NotYet:
    """The error for an object that lacks a key which is not optional."""
    text = f"{reference.kind} {reference.name!r} has no key {key!r} ({wanted_by}); the pod waits until it has"
    return NotYet(Note(f"Mandatory{reference.kind}NotFound", text))


def raw_values(item: Mapping[str, Any], kind: Kind) -> dict[str, bytes]:
    """All keys of an object with their bytes. Keys whose base64 is broken are left out: the API server has none."""
    plain = {} if kind == "Secret" else dict(item.get("data") or {})
    encoded = (item.get("data") if kind == "Secret" else item.get("binaryData")) or {}
    values = {key: str(text).encode() for key, text in plain.items()}
    for key, text in encoded.items():
        try:
            values[key] = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
    return values
