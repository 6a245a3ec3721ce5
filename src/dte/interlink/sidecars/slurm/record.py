"""record.json: what the sidecar knows of one pod's job, its moves along the table of `life`, its codec. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

import msgspec

from dte.interlink.wire import Creator
from dte.runtime.errors import BadOutput

from .life import ON_DELETION, OVER, Event, State, is_absorbed, moved

SCHEMA: Final = 1


class Maker(Enum):
    """Who made a job directory, and so what lies in it. The values are the file's spelling."""

    OURS = ""
    UPSTREAM = "upstream"
    """Adopted from upstream's plugin (`upstream`): its job has no supervisor."""


@dataclass(frozen=True, slots=True)
class ContainerName:
    """A container of the pod's specification, as far as a status needs it."""

    name: str
    image: str


@dataclass(frozen=True, slots=True)
class Record:
    """One pod and its job. Times are Unix seconds of this host.

    Of an adopted directory pod name, node and images are not known: they are empty.
    """

    namespace: str
    pod_name: str
    pod_uid: str
    state: State
    node: str
    """The virtual node."""
    owner_id: str
    """Header InterLink-Owner of the create; empty when there was none."""
    creator: Creator | None
    """Header InterLink-Creator of the create; None when there was none."""
    comment: str
    """The job's comment: one of three marks by which the job is known in the queue."""
    containers: tuple[ContainerName, ...]
    init_containers: tuple[ContainerName, ...]
    grace_period_s: int
    created_at: float
    job_id: str = ""
    """Empty until known."""
    ended_at: float | None = None
    deleted_at: float | None = None
    final: tuple[Mapping[str, Any], ...] = ()
    """v1.ContainerStatus of the containers when the job was over; empty before."""
    init_final: tuple[Mapping[str, Any], ...] = ()
    """The same for init containers."""
    made_by: Maker = Maker.OURS

    @property
    def is_over(self) -> bool:
        """Whether the job is over."""
        return self.state in OVER

    @property
    def is_deleted(self) -> bool:
        """Whether the pod was deleted (its job may still run)."""
        return self.state in ON_DELETION

    def submitted(self, job_id: str) -> Record:
        """The record once the job's id is known; itself when the job is over."""
        return self._after(Event.SUBMIT, job_id=job_id)

    def ended(
        self, now: float, *, final: Sequence[Mapping[str, Any]], init_final: Sequence[Mapping[str, Any]]
    ) -> Record:
        """The record once the job is over; itself when it was over already (terminal is absorbing)."""
        return self._after(Event.END, ended_at=now, final=tuple(final), init_final=tuple(init_final))

    def deleted(self, now: float) -> Record:
        """The record once the pod is deleted; itself when it was already."""
        return self._after(Event.DELETE, deleted_at=now)

    def _after(self, event: Event, **changes: Any) -> Record:
        if is_absorbed(self.state, event):
            return self
        return replace(self, state=moved(self.state, event), **changes)


def encode_record(record: Record) -> bytes:
    """The bytes of record.json."""
    creator = record.creator
    body = {
        "schema": SCHEMA,
        "state": record.state.value,
        "pod": {"namespace": record.namespace, "name": record.pod_name, "uid": record.pod_uid, "node": record.node},
        "job_id": record.job_id,
        "comment": record.comment,
        "owner_id": record.owner_id,
        "creator": None if creator is None else {"issuer": creator.issuer, "subject": creator.subject},
        "containers": [{"name": c.name, "image": c.image} for c in record.containers],
        "init_containers": [{"name": c.name, "image": c.image} for c in record.init_containers],
        "grace_period_s": record.grace_period_s,
        "created_at": record.created_at,
        "ended_at": record.ended_at,
        "deleted_at": record.deleted_at,
        "final": record.final,
        "init_final": record.init_final,
        "made_by": record.made_by.value,
    }
    return msgspec.json.format(msgspec.json.encode(body), indent=1) + b"\n"


def decode_record(data: bytes) -> Record:
    """Read record.json. Raises BadOutput, also for a schema newer than this code."""
    try:
        body = msgspec.json.decode(data, type=dict[str, Any])
        if body.get("schema") != SCHEMA:
            raise BadOutput(f"record schema {body.get('schema')!r} is not {SCHEMA}: written by another version")
        pod = body["pod"]
        creator = body["creator"]
        return Record(
            namespace=_text(pod["namespace"]),
            pod_name=_text(pod["name"]),
            pod_uid=_text(pod["uid"]),
            node=_text(pod["node"]),
            state=State(body["state"]),
            job_id=_text(body["job_id"]),
            comment=_text(body["comment"]),
            owner_id=_text(body["owner_id"]),
            creator=None if creator is None else Creator(_text(creator["issuer"]), _text(creator["subject"])),
            containers=_names(body["containers"]),
            init_containers=_names(body["init_containers"]),
            grace_period_s=int(body["grace_period_s"]),
            created_at=float(body["created_at"]),
            ended_at=_time(body["ended_at"]),
            deleted_at=_time(body["deleted_at"]),
            final=_statuses(body["final"]),
            init_final=_statuses(body["init_final"]),
            made_by=Maker(body.get("made_by", Maker.OURS.value)),  # absent in records of 0.1.0
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, ValueError) as e:
        raise BadOutput(f"not a record of this sidecar: {type(e).__name__} {e}") from e


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _time(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is not a time")
    return float(value)


def _names(items: Any) -> tuple[ContainerName, ...]:
    return tuple(ContainerName(_text(item["name"]), _text(item["image"])) for item in items)


def _statuses(items: Any) -> tuple[Mapping[str, Any], ...]:
    if not all(isinstance(item, dict) for item in items):
        raise TypeError("a container status is not an object")
    return tuple(items)
