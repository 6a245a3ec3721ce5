"""The lines of the stream of changes: JSON objects, one a line (docs/wire/interlink.md).

A pod's line is its whole state and not what changed, so that only the newest of a pod matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from dte.interlink import wire
from dte.runtime.errors import Malformed


@dataclass(frozen=True, slots=True)
class PodLine:
    """A pod's state. `rev` grows with every line of one `instance` of the sender."""

    status: wire.PodStatus
    rev: int
    deleted: bool = False
    """Deleted and over: what is left is a tombstone with the final state."""
    owner: str = ""
    """The virtual node that believes in the pod (wire.OWNER_HEADER); only from a sidecar to its API."""
    creator: wire.Creator | None = None
    """Who created the pod; only from a sidecar to its API."""

    @property
    def uid(self) -> str:
        return self.status.uid


@dataclass(frozen=True, slots=True)
class GoneLine:
    """The sender has forgotten this pod: its time on record was over."""

    uid: str
    rev: int


@dataclass(frozen=True, slots=True)
class SyncedLine:
    """Everything there is has been sent; what follows are changes. Sent again when `incomplete` changes."""

    instance: str
    """Another instance means: compare no `rev` with what was seen before."""
    incomplete: bool = False
    """Some of the sender's own sources have not told their state: a pod that is missing may be theirs."""


@dataclass(frozen=True, slots=True)
class HeartbeatLine:
    """Nothing has changed; the sender is alive."""


Line = PodLine | GoneLine | SyncedLine | HeartbeatLine


def encode_line(line: Line) -> bytes:
    """The line with its newline."""
    return msgspec.json.encode(_object_of(line)) + b"\n"


def decode_line(data: bytes) -> Line | None:
    """None for a kind of line that this release does not know. Raises Malformed."""
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"a line of the stream is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise Malformed("a line of the stream must be a JSON object")
    if raw.get("heartbeat") is True:
        return HeartbeatLine()
    if raw.get("synced") is True:
        return SyncedLine(_text(raw, "instance"), raw.get("incomplete") is True)
    if "UID" not in raw:
        return None
    if raw.get("gone") is True:
        return GoneLine(_text(raw, "UID"), _rev(raw))
    creator = raw.get("creator")
    return PodLine(
        wire.status_from(raw),
        _rev(raw),
        deleted=raw.get("deleted") is True,
        owner=_text(raw, "owner"),
        creator=wire.creator_from(creator) if creator is not None else None,
    )


def _object_of(line: Line) -> dict[str, Any]:
    match line:
        case HeartbeatLine():
            return {"heartbeat": True}
        case SyncedLine(instance, incomplete):
            return {"synced": True, "instance": instance, **({"incomplete": True} if incomplete else {})}
        case GoneLine(uid, rev):
            return {"UID": uid, "gone": True, "rev": rev}
        case PodLine(status, rev, deleted, owner, creator):
            body = {**wire.status_object(status), "rev": rev}
            if deleted:
                body["deleted"] = True
            if owner:
                body["owner"] = owner
            if creator is not None:
                body["creator"] = wire.creator_object(creator)
            return body


def _text(raw: dict[str, Any], key: str) -> str:
    value = raw.get(key, "")
    if not isinstance(value, str):
        raise Malformed(f"{key} of a line must be a string")
    return value


def _rev(raw: dict[str, Any]) -> int:
    value = raw.get("rev")
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed("rev of a pod's line must be a number that is not negative")
    return value
