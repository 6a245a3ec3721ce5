"""Is what a caller sent shaped like a pod, as far as the job of a pod is made of it? Pure.

Spelled as Kubernetes does (core/v1); keys that are not here may hold anything. Null and missing mean the same.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dte.interlink import pods
from dte.interlink.wire import ContainerVolumes, PluginCreate
from dte.runtime.errors import Malformed

_Texts = dict[str, str] | None
_Amounts = dict[str, str | int | float] | None


class _Resources(msgspec.Struct):
    limits: _Amounts = None
    requests: _Amounts = None


class _Variable(msgspec.Struct):
    name: str
    value: str | None = None


class _Mount(msgspec.Struct, rename="camel"):
    name: str
    mount_path: str
    sub_path: str | None = None
    read_only: bool | None = None


class _Container(msgspec.Struct, rename="camel"):
    name: str
    image: str | None = None
    command: list[str] | None = None
    args: list[str] | None = None
    working_dir: str | None = None
    env: list[_Variable] | None = None
    volume_mounts: list[_Mount] | None = None
    resources: _Resources | None = None


class _KeyToPath(msgspec.Struct):
    key: str
    path: str
    mode: int | None = None


class _FileSource(msgspec.Struct, rename="camel"):
    items: list[_KeyToPath] | None = None
    default_mode: int | None = None
    optional: bool | None = None


class _Volume(msgspec.Struct, rename="camel"):
    name: str
    config_map: _FileSource | None = None
    secret: _FileSource | None = None
    projected: dict[str, Any] | None = None
    empty_dir: dict[str, Any] | None = None


class _Spec(msgspec.Struct, rename="camel"):
    containers: list[_Container]
    init_containers: list[_Container] | None = None
    volumes: list[_Volume] | None = None
    node_name: str | None = None
    service_account_name: str | None = None
    restart_policy: str | None = None
    active_deadline_seconds: int | None = None
    termination_grace_period_seconds: int | None = None


class _Metadata(msgspec.Struct):
    uid: str


class _FullMetadata(_Metadata):
    name: str
    namespace: str
    annotations: _Texts = None
    labels: _Texts = None


class _Pod(msgspec.Struct):
    metadata: _FullMetadata
    spec: _Spec


class _PodReference(msgspec.Struct):
    metadata: _Metadata


class _ObjectMetadata(msgspec.Struct):
    name: str


class _Object(msgspec.Struct, rename="camel"):
    metadata: _ObjectMetadata
    data: _Texts = None
    binary_data: _Texts = None


def check_create(request: PluginCreate) -> None:
    """Raise Malformed with the path of the first thing of a create that has not the shape that Kubernetes gives it."""
    _convert(request.pod, _Pod, "pod")
    for volumes in request.containers:
        _check_objects(volumes)


def referenced_uid(pod: pods.Pod) -> str:
    """The UID of a pod that a request names; all else may be missing. Raises Malformed."""
    _convert(pod, _PodReference, "pod")
    return pods.pod_uid(pod)


def _check_objects(volumes: ContainerVolumes) -> None:
    for kind in ("config_maps", "secrets", "projected"):
        for item in getattr(volumes, kind):
            _convert(item, _Object, kind)


def _convert(value: Any, shape: type[msgspec.Struct], what: str) -> None:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as e:
        raise Malformed(f"{what}: {e}") from e
