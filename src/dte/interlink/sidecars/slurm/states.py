"""Slurm job states -> what they mean for a pod: one table, and the verdict of a state that is final."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from .parse import Exit

SIGNAL_BASE: Final = 128
"""Kubernetes' (and the shell's) exit code of a process that a signal ended: 128 + signal."""

KILLED: Final = 137
TERMINATED: Final = 143


class Phase(Enum):
    """Where a job is, as far as its pod is concerned."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """A state that this version does not know. Nothing is concluded from it."""


PHASE_OF_STATE: Final = MappingProxyType(
    {
        "PENDING": Phase.WAITING,
        "CONFIGURING": Phase.WAITING,
        "REQUEUED": Phase.WAITING,
        "REQUEUE_HOLD": Phase.WAITING,
        "REQUEUE_FED": Phase.WAITING,
        "RESV_DEL_HOLD": Phase.WAITING,
        "SPECIAL_EXIT": Phase.WAITING,
        "RUNNING": Phase.RUNNING,
        "COMPLETING": Phase.RUNNING,
        "STAGE_OUT": Phase.RUNNING,
        "SIGNALING": Phase.RUNNING,
        "RESIZING": Phase.RUNNING,
        "SUSPENDED": Phase.RUNNING,
        "STOPPED": Phase.RUNNING,
        "COMPLETED": Phase.COMPLETED,
        "FAILED": Phase.FAILED,
        "BOOT_FAIL": Phase.FAILED,
        "DEADLINE": Phase.FAILED,
        "TIMEOUT": Phase.FAILED,
        "NODE_FAIL": Phase.FAILED,
        "OUT_OF_MEMORY": Phase.FAILED,
        "PREEMPTED": Phase.FAILED,
        "REVOKED": Phase.FAILED,
        "LAUNCH_FAILED": Phase.FAILED,
        "CANCELLED": Phase.FAILED,
    }
)
"""Every state that squeue and sacct print in long form (docs/wire/slurm.md, "States")."""

REASON_OF_STATE: Final = MappingProxyType(
    {"OUT_OF_MEMORY": "OOMKilled", "TIMEOUT": "SlurmJobTimeout", "DEADLINE": "SlurmJobTimeout"}
)
"""Reasons that users of Kubernetes or of upstream's plugin look for; any other state is its own reason."""

_CODE_OF_STATE: Final = MappingProxyType(
    {"OUT_OF_MEMORY": KILLED, "NODE_FAIL": KILLED, "BOOT_FAIL": 1, "LAUNCH_FAILED": 1}
)
"""Exit code of a failed job that left none of its own; a state not listed was ended by a signal to stop."""

_OWN_CODE_STATES: Final = frozenset({"COMPLETED", "FAILED"})
"""States in which the job ended by itself, so that the queue's exit code is the program's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a final state says of every container that has no word of its own."""

    exit_code: int
    reason: str
    message: str = ""


def phase_of(state: str) -> Phase:
    """The phase of a state in long form; `Phase.UNKNOWN` for a word that is not in the table."""
    return PHASE_OF_STATE.get(state, Phase.UNKNOWN)


def is_final(state: str) -> bool:
    """Whether a job in this state never runs again (we submit with --no-requeue)."""
    return phase_of(state) in {Phase.COMPLETED, Phase.FAILED}


def verdict_of(state: str, exit_: Exit | None, queue_reason: str = "") -> Verdict:
    """The verdict of a final state; `exit_` is the queue's or accounting's exit code, None when unreadable.

    Only COMPLETED gives exit code 0: Slurm prints 0:0 also for jobs that were cancelled, ran out
    of time or lost their node.
    """
    assert is_final(state), f"{state} is not final"
    code = shell_code(exit_)
    if state == "COMPLETED":
        return Verdict(code, "Completed" if code == 0 else f"Error: {code}")
    if state in _OWN_CODE_STATES:
        code = code or 1
    elif state in _CODE_OF_STATE:
        code = _CODE_OF_STATE[state]
    else:
        code = TERMINATED
    said = f", reason {queue_reason}" if queue_reason not in {"", "None"} else ""
    return Verdict(code, REASON_OF_STATE.get(state, state), f"Slurm ended the job: state {state}{said}")


def shell_code(exit_: Exit | None) -> int:
    """The one number that a shell would show: the code, or 128 + signal; 1 when nothing is known."""
    if exit_ is None:
        return 1
    return SIGNAL_BASE + exit_.signal if exit_.signal else exit_.code
