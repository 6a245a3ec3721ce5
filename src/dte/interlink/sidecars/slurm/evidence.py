"""What the job's files and the queue say -> the states of a pod's containers. Pure; the order of belief is here.

Strongest first: the status file that the job wrote, the queue, accounting. The queue's word on containers that the
file leaves open counts only once the file had its time to arrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard

from dte.interlink.jobs.container_status import container_status
from dte.interlink.jobs.status import STOPPED, ContainerState, Ended, JobStatus, Kind
from dte.interlink.jobs.status import Phase as ContainerPhase

from .parse import QueueJob
from .record import ContainerName, Record
from .states import Phase, Verdict, is_final, phase_of, verdict_of

LOST: Final = Verdict(1, "JobLost", "Neither queue, accounting nor the job's files know the job any more")
NEVER_STARTED: Final = Verdict(1, "NeverStarted", "The pod ended before this container could start")
NEVER_SUBMITTED: Final = Verdict(143, "Deleted", "The pod was deleted before a job was seen")


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of a job that is not over on record."""

    files: JobStatus | None
    """The job's status file; None: none was read yet."""
    queue: QueueJob | None
    """The last word of queue or accounting; None: none yet."""
    is_queue_trusted: bool
    """The status file had its time: what the queue says of containers that the file leaves open, stands."""
    is_lost: bool
    """Nobody has known the job for the grace time."""
    may_be_explained: bool = False
    """The status file is fresh: queue or accounting may still say why the job was told to end."""


@dataclass(frozen=True, slots=True)
class Findings:
    """v1.ContainerStatus of every container; `is_over`: the job is, and all of them are terminated."""

    containers: tuple[Mapping[str, Any], ...]
    init_containers: tuple[Mapping[str, Any], ...]
    is_over: bool


def find(record: Record, evidence: Evidence) -> Findings:
    """The states of a pod's containers. Every container of the pod is there, whatever the evidence lacks."""
    verdict = None if _is_unexplained(record, evidence) else _verdict(record, evidence)
    return _findings(record, evidence, verdict)


def find_open(record: Record, evidence: Evidence) -> Findings:
    """The states of a pod's containers as long as the end is not on record.

    An end that is concluded, from the queue or from silence, is not told before: after a restart it might look
    different. What a container's own file says of its end stays true.
    """
    return _findings(record, evidence, None)


def _findings(record: Record, evidence: Evidence, verdict: Verdict | None) -> Findings:
    states = _states(record, evidence, verdict)
    return Findings(
        containers=tuple(_wire(c, states[c.name]) for c in record.containers),
        init_containers=tuple(_wire(c, states[c.name]) for c in record.init_containers),
        is_over=verdict is not None,
    )


def _is_unexplained(record: Record, evidence: Evidence) -> bool:
    """Whether the job was told to end by somebody other than us, and Slurm has not said why yet."""
    if record.is_deleted or not evidence.may_be_explained or _is_final(evidence.queue):
        return False
    return evidence.files is not None and any(_was_stopped(state) for state in evidence.files.containers.values())


def _was_stopped(state: ContainerState) -> bool:
    return state.ended is not None and state.ended.reason == STOPPED


def _is_final(queue: QueueJob | None) -> TypeGuard[QueueJob]:
    return queue is not None and is_final(queue.state)


def _verdict(record: Record, evidence: Evidence) -> Verdict | None:
    """What is said of containers without an end of their own; None while the job is not over."""
    queue = evidence.queue
    if not record.job_id:
        # Whatever its files say: a job whose id is not known yet may still have to be ended.
        return NEVER_SUBMITTED if evidence.is_lost else None
    if evidence.files is not None and evidence.files.finished_at is not None:
        return NEVER_STARTED
    if queue is not None and is_final(queue.state):
        return verdict_of(queue.state, queue.exit, queue.reason) if evidence.is_queue_trusted else None
    return LOST if evidence.is_lost else None


def _states(record: Record, evidence: Evidence, verdict: Verdict | None) -> dict[str, ContainerState]:
    kinds = [(c.name, Kind.INIT) for c in record.init_containers] + [(c.name, Kind.MAIN) for c in record.containers]
    known = evidence.files.containers if evidence.files is not None else {}
    states: dict[str, ContainerState] = {}
    for name, kind in kinds:
        state = known.get(name) or _guess(name, kind, record, evidence)
        if verdict is not None:
            states[name] = _explained(_closed(state, verdict, evidence.queue), record, evidence.queue)
        else:
            states[name] = _still_running(state)
    return states


def _still_running(state: ContainerState) -> ContainerState:
    """A stopped container as it was before: its end is shown once, with the reason."""
    if state.ended is None or not _was_stopped(state):
        return state
    if state.ended.started_at is None:
        return _waiting(state.kind, "ContainerCreating", "the job is ending")
    return replace(state, phase=ContainerPhase.RUNNING, started_at=state.ended.started_at, ended=None)


def _explained(state: ContainerState, record: Record, queue: QueueJob | None) -> ContainerState:
    """A stopped container with Slurm's word why: time limit, cancelled, preempted. Its exit code stays."""
    if state.ended is None or not _was_stopped(state) or record.is_deleted or not _is_final(queue):
        return state
    word = verdict_of(queue.state, queue.exit, queue.reason)
    if word.exit_code == 0:
        return state
    return replace(state, ended=replace(state.ended, reason=word.reason, message=word.message))


def _closed(state: ContainerState, verdict: Verdict, queue: QueueJob | None) -> ContainerState:
    """The state of a container once the job is over: its own end, else the verdict."""
    if state.ended is not None:
        return state
    started = state.started_at or _moment(queue.started_at if queue else None)
    ended = Ended(
        exit_code=verdict.exit_code,
        reason=verdict.reason,
        message=verdict.message,
        started_at=started,
        finished_at=_moment(queue.ended_at if queue else None),
    )
    return ContainerState(
        kind=state.kind,
        phase=ContainerPhase.TERMINATED,
        ended=ended,
        restart_count=state.restart_count,
        last=state.last,
    )


def _guess(name: str, kind: Kind, record: Record, evidence: Evidence) -> ContainerState:
    """The state of a container that the job's files do not tell: all comes from the queue."""
    queue = evidence.queue
    if queue is None:
        return _waiting(kind, "Submitted", f"job {record.job_id}: not yet seen in the queue")
    where = f"job {record.job_id} is {queue.state}"
    if phase_of(queue.state) is Phase.RUNNING:
        first = (record.init_containers or record.containers)[0].name
        if evidence.is_queue_trusted and (name == first or not record.init_containers):
            return ContainerState(kind, ContainerPhase.RUNNING, started_at=_moment(queue.started_at))
        return _waiting(kind, "ContainerCreating", f"{where}; no word of its containers yet")
    if phase_of(queue.state) is Phase.WAITING:
        return _waiting(kind, queue.state if queue.reason in {"", "None"} else queue.reason, where)
    return _waiting(kind, queue.state, f"{where}; waiting for its status file")


def _waiting(kind: Kind, reason: str, message: str) -> ContainerState:
    return ContainerState(kind, ContainerPhase.WAITING, reason=reason, message=message)


def _wire(container: ContainerName, state: ContainerState) -> Mapping[str, Any]:
    return container_status({"name": container.name, "image": container.image}, state)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
