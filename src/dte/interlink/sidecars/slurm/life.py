"""The life of a pod at the sidecar: one table of states and events. Pure.

Every record is made, moved and dropped by this table (`record`, `submit`, `table`, `keeper`). What a move needs on
disk, and what goes with it (secrets, files), is said where it is done.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import Final


class State(Enum):
    """Where the sidecar is with a pod. The values are the spelling of record.json."""

    INTENT = "intent"
    """Files are written; sbatch was not called, or nobody knows how it went."""
    SUBMITTED = "submitted"
    """The job id is known."""
    TERMINAL = "terminal"
    """The job is over, the containers' final states are in the record."""
    DELETING = "deleting"
    """The pod was deleted; the job may still run."""
    DELETED = "deleted"
    """A tombstone: deleted and over. A create for this pod is refused."""


class Event(Enum):
    """What happens to a pod's job."""

    INTEND = "intend"
    """A create came for a pod that is not on record."""
    REFUSE = "refuse"
    """The batch system said that there is no job, and never will be as asked."""
    SUBMIT = "submit"
    """The job's id became known: sbatch printed it, or the job was found; again when another job got the claim."""
    END = "end"
    """The evidence says that the job is over."""
    DELETE = "delete"
    """The pod was deleted."""
    EXPIRE = "expire"
    """Nobody needs the record any more: retention."""


STATE_AFTER: Final = MappingProxyType(
    {
        (None, Event.INTEND): State.INTENT,
        (State.INTENT, Event.REFUSE): None,
        (State.INTENT, Event.SUBMIT): State.SUBMITTED,
        (State.INTENT, Event.DELETE): State.DELETING,
        # Given up by whoever asked for it.
        (State.INTENT, Event.EXPIRE): None,
        (State.SUBMITTED, Event.SUBMIT): State.SUBMITTED,
        (State.SUBMITTED, Event.END): State.TERMINAL,
        (State.SUBMITTED, Event.DELETE): State.DELETING,
        (State.TERMINAL, Event.DELETE): State.DELETED,
        (State.TERMINAL, Event.EXPIRE): None,
        # A submit that was under way when the pod was deleted turns up in the queue.
        (State.DELETING, Event.SUBMIT): State.DELETING,
        (State.DELETING, Event.END): State.DELETED,
        (State.DELETED, Event.EXPIRE): None,
    }
)
"""Every move. No state (None): the pod is not on record, not yet or not any more."""

ABSORBED: Final = frozenset(
    {
        (State.TERMINAL, Event.SUBMIT),
        (State.TERMINAL, Event.END),
        (State.DELETING, Event.DELETE),
        (State.DELETED, Event.SUBMIT),
        (State.DELETED, Event.END),
        (State.DELETED, Event.DELETE),
    }
)
"""What may come late or twice, and then changes nothing of the record: an end is final, a deletion too."""

OVER: Final = frozenset({State.TERMINAL, State.DELETED})
"""States of a job that is over: nothing more is asked of the batch system."""

ON_DELETION: Final = frozenset({State.DELETING, State.DELETED})
"""States of a pod that was deleted."""


class IllegalMove(Exception):
    """A bug: something that cannot happen in this state was said to have happened."""


def is_absorbed(state: State, event: Event) -> bool:
    """Whether the event may come in this state, and then changes nothing."""
    return (state, event) in ABSORBED


def moved(state: State | None, event: Event) -> State:
    """The state that the event moves a record to. Raises IllegalMove when it moves none, or drops it."""
    after = STATE_AFTER.get((state, event))
    if after is None:
        raise _illegal(state, event)
    return after


def require_dropped(state: State, event: Event) -> None:
    """Raise IllegalMove unless the event drops a record in this state."""
    if STATE_AFTER.get((state, event), state) is not None:
        raise _illegal(state, event)


def _illegal(state: State | None, event: Event) -> IllegalMove:
    where = "without a record" if state is None else f"in state {state.value}"
    return IllegalMove(f"event {event.value} {where}")
