"""A container's environment as plain names and values: envFrom, valueFrom and $(VAR) resolved."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dte.interlink import pods
from dte.interlink.expansion import expand
from dte.interlink.virtual_kubelet.downward import Place, field_value, resource_value
from dte.interlink.virtual_kubelet.notes import Note
from dte.interlink.virtual_kubelet.sources import Kind, Reference, Sources, find, key_missing, raw_values
from dte.runtime.errors import Refused

_ENV_NAME = re.compile(r"[ -<>-~]+")
"""Printable ASCII without "=" (API reference, EnvVar.name, relaxed since Kubernetes 1.32)."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a container's environment may draw on."""

    pod: pods.Pod
    sources: Sources
    place: Place
    service: Mapping[str, str] = field(default_factory=dict)
    """KUBERNETES_SERVICE_* of the cluster; lowest priority."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Name and value of each variable, and what had to be left out."""

    variables: Mapping[str, str]
    notes: tuple[Note, ...] = ()


def environment(container: pods.Container, context: Context) -> Environment:
    """Resolve the environment of `container`; envFrom first, env over it, in the order of the lists.

    Raises NotYet when something mandatory is missing, Refused for a reference that no node could follow.
    """
    notes: list[Note] = []
    variables: dict[str, str] = {}
    for entry in container.get("envFrom") or ():
        variables |= _env_from(container, entry, context, notes)
    for variable in container.get("env") or ():
        value = _value(container, variable, {**context.service, **variables}, context, notes)
        if value is not None:
            variables[str(variable.get("name"))] = value
    return Environment({**context.service, **variables}, tuple(notes))


def with_plain_environment(container: pods.Container, resolved: Environment) -> dict[str, Any]:
    """`container` with its environment replaced by literal values."""
    plain = {key: value for key, value in container.items() if key != "envFrom"}
    plain["env"] = [{"name": name, "value": value} for name, value in resolved.variables.items()]
    return plain


_ENV_FROM: Mapping[str, Kind] = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
_VALUE_FROM: Mapping[str, Kind] = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}


def _env_from(
    container: pods.Container, entry: Mapping[str, Any], context: Context, notes: list[Note]
) -> dict[str, str]:
    key = next((name for name in _ENV_FROM if entry.get(name)), None)
    if key is None:
        return {}
    wanted_by = f"envFrom of container {container.get('name')}"
    reference = Reference(_ENV_FROM[key], str(entry[key].get("name") or ""))
    found = find(context.sources, reference, optional=bool(entry[key].get("optional")), wanted_by=wanted_by)
    if found.note is not None:
        notes.append(found.note)
    if found.item is None:
        return {}
    prefix = str(entry.get("prefix") or "")
    values = raw_values(found.item, reference.kind)
    if reference.kind == "ConfigMap":  # binaryData never becomes environment
        values = {name: values[name] for name in found.item.get("data") or {}}
    return {prefix + name: _text(values[name], reference, name) for name in values if _is_usable(prefix + name, notes)}


def _is_usable(name: str, notes: list[Note]) -> bool:
    if _ENV_NAME.fullmatch(name):
        return True
    notes.append(Note("InvalidEnvironmentVariableNames", f"key {name!r} cannot be a variable's name and is left out"))
    return False


def _value(
    container: pods.Container,
    variable: Mapping[str, Any],
    earlier: Mapping[str, str],
    context: Context,
    notes: list[Note],
) -> str | None:
    """The variable's value; None when it comes from something optional that is missing."""
    source = variable.get("valueFrom")
    if not source:
        return expand(str(variable.get("value") or ""), earlier)
    if reference := source.get("fieldRef"):
        return field_value(context.pod, str(reference.get("fieldPath") or ""), context.place)
    if reference := source.get("resourceFieldRef"):
        name = str(container.get("name") or "")
        return resource_value(context.pod, reference, context.place, container=name)
    return _key_value(container, variable, source, context, notes)


def _key_value(
    container: pods.Container,
    variable: Mapping[str, Any],
    source: Mapping[str, Any],
    context: Context,
    notes: list[Note],
) -> str | None:
    wanted_by = f"env {variable.get('name')} of container {container.get('name')}"
    kind_key = next((name for name in _VALUE_FROM if source.get(name)), None)
    if kind_key is None:
        raise Refused(f"{wanted_by}: valueFrom {', '.join(source) or 'without a source'} is not served by this node")
    selector = source[kind_key]
    reference = Reference(_VALUE_FROM[kind_key], str(selector.get("name") or ""))
    optional = bool(selector.get("optional"))
    found = find(context.sources, reference, optional=optional, wanted_by=wanted_by)
    if found.note is not None:
        notes.append(found.note)
    if found.item is None:
        return None
    key = str(selector.get("key") or "")
    values = raw_values(found.item, reference.kind)
    if key in values:
        return _text(values[key], reference, key)
    if not optional:
        raise key_missing(reference, key, wanted_by=wanted_by)
    return None


def _text(value: bytes, reference: Reference, key: str) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise Refused(
            f"key {key!r} of {reference.kind} {reference.name!r} is not UTF-8 and cannot be a variable; mount it"
        ) from error
    if "\0" in text:
        raise Refused(f"key {key!r} of {reference.kind} {reference.name!r} holds a zero byte; mount it as a file")
    return text
