"""The JSON that virtual kubelet, interLink API and sidecars exchange (docs/wire/interlink.md).

The only module with the wire's spellings, but for those of the stream of changes (dte.interlink.watch.lines).
Decoders raise Malformed; they ignore unknown keys, and null or a missing key means empty. Kubernetes objects pass
through as they came.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dte.runtime.errors import Malformed

SESSION_HEADER = "InterLink-Http-Session"
"""The caller's id of a request, in every log line along the path."""
OWNER_HEADER = "InterLink-Owner"
"""Ours: the virtual node that believes in a pod: UID of namespace kube-system, a slash, the node's name."""
NODE_HEADER = "InterLink-Node"
"""Ours: the virtual node's name."""
CREATOR_HEADER = "InterLink-Creator"
"""Ours, API to sidecar: who created a pod, as the JSON of Creator."""

INCOMPLETE_HEADER = "InterLink-Incomplete"
"""Ours, in answers to status: accounts, comma-separated, whose pods are missing because their sidecar was silent."""

KubernetesObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Creator:
    """Who made a request: issuer and subject of a client certificate (or, later, of a token)."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Virtual kubelet to API: a pod with every object that its volumes and environment name."""

    pod: KubernetesObject
    config_maps: Sequence[KubernetesObject] = ()
    secrets: Sequence[KubernetesObject] = ()
    projected: Sequence[KubernetesObject] = ()
    """ConfigMap shape: `metadata.name` is the volume's name, `data` maps file paths to text."""
    job_script_url: str = ""
    is_bare: bool = False
    """A pod alone, as release 0.0.x sent it: the API fetched the objects itself then."""


@dataclass(frozen=True, slots=True)
class ContainerVolumes:
    """The objects that the volume mounts of one container need."""

    name: str
    config_maps: Sequence[KubernetesObject] = ()
    projected: Sequence[KubernetesObject] = ()
    secrets: Sequence[KubernetesObject] = ()


@dataclass(frozen=True, slots=True)
class PluginCreate:
    """API to sidecar: a pod and, for init containers first and then containers, what each one mounts."""

    pod: KubernetesObject
    containers: Sequence[ContainerVolumes] = ()
    job_config: Mapping[str, Any] = field(default_factory=dict)
    job_script: str = ""


@dataclass(frozen=True, slots=True)
class CreateAnswer:
    """The job of a pod. `warnings` is ours: what the sidecar left out or changed, a line each."""

    pod_uid: str
    job_id: str
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PodStatus:
    """A pod's state at the site; containers are v1.ContainerStatus objects."""

    name: str
    uid: str
    namespace: str
    job_id: str
    containers: Sequence[KubernetesObject]
    init_containers: Sequence[KubernetesObject] = ()


@dataclass(frozen=True, slots=True)
class LogOptions:
    """v1.PodLogOptions; None or False where the caller set nothing."""

    tail: int | None = None
    """The last N lines."""
    limit_bytes: int | None = None
    """At most the first N bytes of what would be sent."""
    timestamps: bool = False
    follow: bool = False
    previous: bool = False
    since_seconds: int | None = None
    since_time: str | None = None
    """RFC 3339."""


@dataclass(frozen=True, slots=True)
class LogRequest:
    namespace: str
    pod_uid: str
    pod_name: str
    container: str
    options: LogOptions = LogOptions()


@dataclass(frozen=True, slots=True)
class Ping:
    """Is the site there, what does it have, whom does it keep out.

    `resources` holds Kubernetes quantities by name ("cpu", "memory", "pods", "accelerators"); None leaves the
    node as it is. `taints` None leaves them, empty clears them.
    """

    status: str = "ok"
    resources: Mapping[str, Any] | None = None
    taints: Sequence[Mapping[str, str]] | None = None


UNSET_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time: not set."""


def decode_create_request(data: bytes) -> CreateRequest:
    """Accepts the object, and the one-element list of pods of release 0.0.x."""
    raw = _alone(_json(data), "create request")
    if "pod" not in raw and "metadata" in raw:
        return CreateRequest(pod=raw, is_bare=True)
    return CreateRequest(
        pod=_object(raw.get("pod"), "pod"),
        config_maps=_objects(raw.get("configmaps"), "configmaps"),
        secrets=_objects(raw.get("secrets"), "secrets"),
        projected=_objects(raw.get("projectedvolumesmaps"), "projectedvolumesmaps"),
        job_script_url=_text(raw.get("jobscriptURL"), "jobscriptURL"),
    )


def encode_create_request(request: CreateRequest) -> bytes:
    return msgspec.json.encode(
        {
            "pod": request.pod,
            "configmaps": request.config_maps,
            "secrets": request.secrets,
            "projectedvolumesmaps": request.projected,
            "jobscriptURL": request.job_script_url,
        }
    )


def decode_plugin_create(data: bytes) -> PluginCreate:
    """Accepts the object, and the one-element list of releases before 0.5."""
    body = _alone(_json(data), "create request")
    return PluginCreate(
        pod=_object(body.get("pod"), "pod"),
        containers=tuple(_container_volumes(item) for item in _objects(body.get("container"), "container")),
        job_config=_object(body.get("jobConfig") or {}, "jobConfig"),
        job_script=_text(body.get("jobScript"), "jobScript"),
    )


def _container_volumes(raw: KubernetesObject) -> ContainerVolumes:
    return ContainerVolumes(
        name=_text(raw.get("name"), "container.name"),
        config_maps=_objects(raw.get("configMaps"), "container.configMaps"),
        projected=_objects(raw.get("projectedvolumemaps"), "container.projectedvolumemaps"),
        secrets=_objects(raw.get("secrets"), "container.secrets"),
    )


def encode_plugin_create(request: PluginCreate) -> bytes:
    body = {
        "pod": request.pod,
        "container": [
            {
                "name": item.name,
                "configMaps": item.config_maps,
                "projectedvolumemaps": item.projected,
                "secrets": item.secrets,
                "emptyDirs": None,
            }
            for item in request.containers
        ],
        "jobConfig": request.job_config,
    }
    if request.job_script:
        body["jobScript"] = request.job_script
    return msgspec.json.encode(body)


def encode_plugin_create_list(request: PluginCreate) -> bytes:
    """For plugins of releases before 0.5, which expect a list of one."""
    return b"[" + encode_plugin_create(request) + b"]"


def decode_create_answer(data: bytes) -> CreateAnswer:
    """Accepts the object, and the one-element list of older plugins."""
    body = _alone(_json(data), "create answer")
    warnings = body.get("warnings") or ()
    if not isinstance(warnings, (list, tuple)):
        raise Malformed("warnings of the create answer must be a list")
    return CreateAnswer(
        pod_uid=_text(body.get("PodUID"), "PodUID"),
        job_id=_text(body.get("PodJID"), "PodJID"),
        warnings=tuple(str(warning) for warning in warnings),
    )


def encode_create_answer(answer: CreateAnswer) -> bytes:
    body: dict[str, Any] = {"PodUID": answer.pod_uid, "PodJID": answer.job_id}
    if answer.warnings:
        body["warnings"] = answer.warnings
    return msgspec.json.encode(body)


def decode_pod(data: bytes) -> KubernetesObject:
    """The body of a delete: a pod, or the one-element list of older kubelets."""
    return _alone(_json(data), "pod")


def decode_pods(data: bytes) -> Sequence[KubernetesObject]:
    """The body of a status request; empty means a ping to a sidecar."""
    return _objects(_json(data) if data.strip() else None, "pods")


class _AskedMetadata(msgspec.Struct):
    uid: str | None = None


class _Asked(msgspec.Struct):
    metadata: _AskedMetadata | None = None


_ASKED = msgspec.json.Decoder(list[_Asked] | None)


def decode_asked_uids(data: bytes) -> Sequence[str]:
    """The UIDs in a status request, without the rest of its pods: it comes often, and may hold hundreds of them."""
    if not data.strip():
        return ()
    try:
        asked = _ASKED.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is not a list of pods: {error}") from error
    return tuple(pod.metadata.uid for pod in asked or () if pod.metadata is not None and pod.metadata.uid)


def encode_json(value: Any) -> bytes:
    """A Kubernetes object, or a list of them, as it is."""
    return msgspec.json.encode(value)


def decode_statuses(data: bytes) -> Sequence[PodStatus]:
    return tuple(status_from(item) for item in decode_status_items(data))


def decode_status_items(data: bytes) -> Sequence[KubernetesObject]:
    """The items of an answer to status, each for `status_from`: one may be bad where the others are not."""
    return _objects(_json(data), "statuses")


def status_from(raw: KubernetesObject) -> PodStatus:
    """The object of `status_object`, decoded."""
    return PodStatus(
        name=_text(raw.get("name"), "name"),
        uid=_text(raw.get("UID"), "UID"),
        namespace=_text(raw.get("namespace"), "namespace"),
        job_id=_text(raw.get("JID"), "JID"),
        containers=_objects(raw.get("containers"), "containers"),
        init_containers=_objects(raw.get("initContainers"), "initContainers"),
    )


def encode_statuses(statuses: Sequence[PodStatus]) -> bytes:
    return join_statuses([encode_status(item) for item in statuses])


def encode_status(status: PodStatus) -> bytes:
    return msgspec.json.encode(status_object(status))


def join_statuses(encoded: Sequence[bytes]) -> bytes:
    """The answer to a status request, of states that are encoded already."""
    return b"[" + b",".join(encoded) + b"]"


def status_object(status: PodStatus) -> dict[str, Any]:
    """A pod's state with the wire's spellings."""
    return {
        "name": status.name,
        "UID": status.uid,
        "namespace": status.namespace,
        "JID": status.job_id,
        "containers": status.containers,
        "initContainers": status.init_containers or None,
    }


def decode_log_request(data: bytes) -> LogRequest:
    raw = _object(_json(data), "log request")
    options = _object(raw.get("Opts") or {}, "Opts")
    since_time = _text(options.get("SinceTime"), "Opts.SinceTime")
    return LogRequest(
        namespace=_text(raw.get("Namespace"), "Namespace"),
        pod_uid=_text(raw.get("PodUID"), "PodUID"),
        pod_name=_text(raw.get("PodName"), "PodName"),
        container=_text(raw.get("ContainerName"), "ContainerName"),
        options=LogOptions(
            tail=_count(options.get("Tail"), "Opts.Tail"),
            limit_bytes=_count(options.get("Bytes"), "Opts.Bytes"),
            timestamps=_flag(options.get("Timestamps"), "Opts.Timestamps"),
            follow=_flag(options.get("Follow"), "Opts.Follow"),
            previous=_flag(options.get("Previous"), "Opts.Previous"),
            since_seconds=_count(options.get("SinceSeconds"), "Opts.SinceSeconds"),
            since_time=since_time if since_time not in ("", UNSET_TIME) else None,
        ),
    )


def encode_log_request(request: LogRequest) -> bytes:
    options = request.options
    return msgspec.json.encode(
        {
            "Namespace": request.namespace,
            "PodUID": request.pod_uid,
            "PodName": request.pod_name,
            "ContainerName": request.container,
            "Opts": {
                "Tail": options.tail or 0,
                "Bytes": options.limit_bytes or 0,
                "Timestamps": options.timestamps,
                "Follow": options.follow,
                "Previous": options.previous,
                "SinceSeconds": options.since_seconds or 0,
                "SinceTime": options.since_time or UNSET_TIME,
            },
        }
    )


def decode_ping(data: bytes) -> Ping:
    """A structured answer, or the free text of an older plugin, which says only that the site is there."""
    try:
        raw = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return Ping()
    if not isinstance(raw, dict):
        return Ping()
    resources, taints = raw.get("resources"), raw.get("taints")
    return Ping(
        status=str(raw.get("status") or "ok"),
        resources=resources if isinstance(resources, dict) else None,
        taints=tuple(item for item in taints if isinstance(item, dict)) if isinstance(taints, list) else None,
    )


def encode_ping(ping: Ping) -> bytes:
    body: dict[str, Any] = {"status": ping.status}
    if ping.resources is not None:
        body["resources"] = ping.resources
    if ping.taints is not None:
        body["taints"] = ping.taints
    return msgspec.json.encode(body)


def decode_creator(text: str) -> Creator:
    return creator_from(_json(text.encode()))


def creator_from(raw: Any) -> Creator:
    """The object of `creator_object`, decoded."""
    body = _object(raw, "creator")
    return Creator(_text(body.get("issuer"), "issuer"), _text(body.get("subject"), "subject"))


def creator_object(creator: Creator) -> dict[str, str]:
    return {"issuer": creator.issuer, "subject": creator.subject}


def encode_creator(creator: Creator) -> str:
    """Printable ASCII only: it travels in a header."""
    text = msgspec.json.encode(creator_object(creator)).decode()
    return "".join(char if " " <= char <= "~" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error


def _alone(raw: Any, what: str) -> dict[str, Any]:
    """The object, or the one in a list."""
    return _object(raw[0] if isinstance(raw, list) and len(raw) == 1 else raw, what)


def _object(raw: Any, what: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise Malformed(f"{what} must be a JSON object")
    return raw


def _objects(raw: Any, what: str) -> tuple[dict[str, Any], ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise Malformed(f"{what} must be a JSON list")
    return tuple(_object(item, f"each of {what}") for item in raw)


def _text(raw: Any, what: str) -> str:
    if raw is None:
        return ""
    if not isinstance(raw, str):
        raise Malformed(f"{what} must be a string")
    return raw


def _count(raw: Any, what: str) -> int | None:
    """Zero is Go's way to say that the caller set nothing."""
    if raw is None or raw == 0:
        return None
    if not isinstance(raw, int) or isinstance(raw, bool) or raw < 0:
        raise Malformed(f"{what} must be a number that is not negative")
    return raw


def _flag(raw: Any, what: str) -> bool:
    if raw is not None and not isinstance(raw, bool):
        raise Malformed(f"{what} must be true or false")
    return bool(raw)
