"""status.json, the supervisor's account of a pod, read with distrust: the job's account can write anything there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

import msgspec

from dte.interlink.jobs.directory import checked_label
from dte.runtime.errors import BadOutput, Refused

SCHEMA = 1
MAX_STATUS_BYTES = 1 << 20
MAX_CONTAINERS = 256
MAX_TEXT = 4096
"""Of a reason or message: more is cut, for it goes into a pod's status."""


class Kind(Enum):
    """Init containers run before the main ones, one after another."""

    INIT = "init"
    MAIN = "main"


STOPPED = "Stopped"
"""The reason of a container whose job was told to end: the supervisor cannot know by whom, or why."""


class Phase(Enum):
    """The three states that v1.ContainerState knows."""

    WAITING = "waiting"
    RUNNING = "running"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class Ended:
    """One run of a container that is over. Times are aware; None start: the program never ran."""

    exit_code: int
    """0 to 255; 128 + n when signal n ended it."""
    reason: str = ""
    message: str = ""
    signal: int | None = None
    """None: it ended by itself."""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContainerState:
    """A container now. `ended` is set in phase TERMINATED only, `started_at` in phase RUNNING only."""

    kind: Kind
    phase: Phase
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    ended: Ended | None = None
    restart_count: int = 0
    last: Ended | None = None
    """The run before the latest restart; None before the first."""
    is_started: bool | None = None
    """Its startup probe has succeeded, if it has one. None: nobody says (a supervisor of an earlier release)."""
    is_ready: bool | None = None
    """Its readiness probe says so, or it has none. None as above."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What the supervisor of `job_id` says. `finished_at` None: it has not said that the pod is over."""

    job_id: str
    host: str
    containers: Mapping[str, ContainerState]
    """By name, in the pod's order, init containers first."""
    started_at: datetime | None
    finished_at: datetime | None


class _End(msgspec.Struct):
    exit_code: int
    reason: str = ""
    message: str = ""
    signal: int | None = None
    started_at: str | None = None
    finished_at: str | None = None


class _Container(msgspec.Struct):
    kind: Kind
    state: Phase
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: int | None = None
    started_at: str | None = None
    finished_at: str | None = None
    restart_count: int = 0
    last: _End | None = None
    started: bool | None = None
    ready: bool | None = None


class _Status(msgspec.Struct):
    schema: int
    job_id: str
    containers: dict[str, _Container]
    host: str = ""
    started_at: str | None = None
    finished_at: str | None = None


def parse_status(data: bytes) -> JobStatus:
    """Read a status.json. Raises BadOutput for anything that the supervisor does not write."""
    if len(data) > MAX_STATUS_BYTES:
        raise BadOutput(f"status.json has {len(data)} bytes, more than {MAX_STATUS_BYTES}")
    try:
        raw = msgspec.json.decode(data, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadOutput(f"status.json is not what a supervisor writes: {error}") from error
    if raw.schema != SCHEMA:
        raise BadOutput(f"status.json has schema {raw.schema}, this release reads {SCHEMA}")
    if len(raw.containers) > MAX_CONTAINERS:
        raise BadOutput(f"status.json names {len(raw.containers)} containers, more than {MAX_CONTAINERS}")
    return JobStatus(
        job_id=raw.job_id[:MAX_TEXT],
        host=raw.host[:MAX_TEXT],
        containers={_container_name(name): _container(name, item) for name, item in raw.containers.items()},
        started_at=_time(raw.started_at),
        finished_at=_time(raw.finished_at),
    )


def _container_name(name: str) -> str:
    try:
        return checked_label(name, "container name")
    except Refused as error:
        raise BadOutput(f"status.json: {error}") from error


def _container(name: str, raw: _Container) -> ContainerState:
    if (raw.exit_code is not None) != (raw.state is Phase.TERMINATED):
        raise BadOutput(f"status.json: container {name} is {raw.state.value} with exit code {raw.exit_code}")
    if not 0 <= raw.restart_count < 1 << 31:
        raise BadOutput(f"status.json: container {name} was restarted {raw.restart_count} times")
    ended = None
    if raw.exit_code is not None:
        ended = _ended(_End(raw.exit_code, raw.reason, raw.message, raw.signal, raw.started_at, raw.finished_at), name)
    return ContainerState(
        kind=raw.kind,
        phase=raw.state,
        reason=raw.reason[:MAX_TEXT],
        message=raw.message[:MAX_TEXT],
        started_at=_time(raw.started_at) if raw.state is Phase.RUNNING else None,
        ended=ended,
        restart_count=raw.restart_count,
        last=None if raw.last is None else _ended(raw.last, name),
        is_started=raw.started,
        is_ready=raw.ready,
    )


def _ended(raw: _End, name: str) -> Ended:
    if not 0 <= raw.exit_code <= 255:
        raise BadOutput(f"status.json: container {name} has exit code {raw.exit_code}")
    if raw.signal is not None and not 0 < raw.signal <= 64:
        raise BadOutput(f"status.json: container {name} ended by signal {raw.signal}")
    return Ended(
        exit_code=raw.exit_code,
        reason=raw.reason[:MAX_TEXT],
        message=raw.message[:MAX_TEXT],
        signal=raw.signal,
        started_at=_time(raw.started_at),
        finished_at=_time(raw.finished_at),
    )


def _time(text: str | None) -> datetime | None:
    """RFC 3339 with an offset; None stays None."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text[:40])
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadOutput(f"status.json: not an RFC 3339 time: {text[:80]!r}") from error
