"""What to do next for one pod: a pure decision over what is known of it (docs/virtual-kubelet.md, "A pod's life")."""

from dataclasses import dataclass
from enum import Enum


class Remote(Enum):
    """A pod at its site."""

    UNASKED = "unasked"
    """No answer since the question last mattered."""
    ALIVE = "alive"
    ENDED = "ended"
    ABSENT = "absent"
    """The site answered, and does not know the pod."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the decision looks at."""

    is_gone: bool
    """The object is no longer in the cluster."""
    is_deleting: bool
    is_terminal: bool
    """The phase that the cluster shows is Succeeded or Failed."""
    has_job: bool
    may_have_job: bool
    """A create was sent, or somebody before us may have sent one."""
    predates_us: bool
    """The pod was there when we started: what was sent for it is not known."""
    is_refused: bool
    """The site, or we, said that this pod will never run."""
    is_stop_accepted: bool
    """The site confirmed a delete."""
    is_removal_sent: bool
    """We, or the API server itself, set the grace period to zero: only finalizers hold the object."""
    remote: Remote
    is_status_due: bool
    """The wanted status differs from the shown one, and may be written now."""
    is_toleration_due: bool = False
    """The pod would not outlast an outage of ours."""
    is_missed: bool = False
    """A complete list lacked the pod; nobody has looked for it itself yet."""


class Step(Enum):
    CONFIRM = "confirm"
    """Look whether the object is really gone."""
    FORGET = "forget"
    LOOK_UP = "look_up"
    """Ask the site whether it has a job of this pod, before one is created."""
    CREATE = "create"
    REPORT = "report"
    """Write the wanted status."""
    TOLERATE = "tolerate"
    """Change the pod's tolerations."""
    STOP = "stop"
    """Delete at the site."""
    AWAIT_END = "await_end"
    """Ask the site whether the deleted job is over."""
    REPORT_END = "report_end"
    """Write a terminal status for a pod whose end is not known, before the object goes."""
    REMOVE = "remove"
    """Delete the object."""
    WAIT = "wait"


def next_step(facts: Facts) -> Step:
    """One step at a time; the caller does it, updates the facts and asks again.

    The order of a deletion is a promise: the job is over before the object goes, and the terminal phase is
    written before that, because the Job controller counts it.
    """
    if facts.is_gone:
        return Step.STOP if facts.may_have_job and not facts.is_stop_accepted else Step.FORGET
    if facts.is_missed:
        return Step.CONFIRM
    if facts.is_deleting:
        return _deletion_step(facts)
    if facts.is_terminal:
        return Step.WAIT
    if facts.is_status_due:
        return Step.REPORT
    if facts.has_job or facts.is_refused:
        # Last: a cluster that does not allow it must not keep a pod from anything.
        return Step.TOLERATE if facts.is_toleration_due and not facts.is_refused else Step.WAIT
    # A create of our own whose answer was lost is simply repeated: the site answers with the job there is.
    if facts.predates_us and facts.remote is Remote.UNASKED:
        return Step.LOOK_UP
    return Step.CREATE


def _deletion_step(facts: Facts) -> Step:
    if facts.may_have_job and not facts.is_stop_accepted:
        return Step.STOP
    if facts.may_have_job and not facts.is_terminal and facts.remote in (Remote.UNASKED, Remote.ALIVE):
        return Step.AWAIT_END
    if not facts.is_terminal:
        return Step.REPORT if facts.is_status_due and facts.remote is Remote.ENDED else Step.REPORT_END
    return Step.WAIT if facts.is_removal_sent else Step.REMOVE
