"""The objects that came with a create request: the contents of files, byte for byte. No I/O here."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dte.interlink import pods
from dte.interlink.jobs.paths import encoded
from dte.interlink.wire import ContainerVolumes, KubernetesObject
from dte.runtime.errors import Malformed


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
