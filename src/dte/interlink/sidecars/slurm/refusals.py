"""Words of a failed Slurm command -> again, final, or a matter of policy: one table, pure."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Answer(Enum):
    """What a failed command means for the request that led to it."""

    AGAIN = "again"
    """The same request may pass later: 503."""
    FINAL = "final"
    """It never will: 422, the pod fails with these words."""
    POLICY = "policy"
    """A limit that may or may not pass: again for SubmitRetryHours, then final."""


_AGAIN_TEXTS: Final = (
    # slurmctld down, busy, restarting or not answering
    "unable to contact slurm controller",
    "socket timed out on send/recv",
    "unexpected message received",
    "zero bytes were transmitted or received",
    "unable to contact controller",
    "connection refused",
    "connection reset by peer",
    "connection timed out",
    "transport endpoint is not connected",
    "slurm backup controller",
    "controller is in standby mode",
    "incomplete rpc",
    "resource temporarily unavailable",
    "try again later",
    "temporarily unable to accept job",
    "communication connection failure",
    "could not establish a configuration source",
    "submissions disabled",
    # authentication: munged is not running here or there, clocks differ
    "munge",
    "protocol authentication error",
    "authentication credential",
    # a partition, node or reservation that is out of use for now
    "required partition not available",
    "partition is down",
    "partition down",
    "required node not available",
    "requested reservation not usable now",
    # limits that other jobs of the account free again
    "submitjob",
    "job count limit",
    "maxjobcount",
    # ssh host sbatch
    "no route to host",
    "could not resolve hostname",
    "network is unreachable",
    "kex_exchange_identification",
)

_POLICY_TEXTS: Final = (
    "job violates accounting/qos policy",
    # the account's name service may be down at the controller, or the account may be gone
    "invalid user id",
)


def answer_of(words: str) -> Answer:
    """What to do about the stderr of a command that failed; a text that is not in the table is final.

    Final is the safe side for an unknown text: the user sees the words, and nothing is repeated for ever.
    """
    lowered = words.lower()
    if any(text in lowered for text in _AGAIN_TEXTS):
        return Answer.AGAIN
    if any(text in lowered for text in _POLICY_TEXTS):
        return Answer.POLICY
    return Answer.FINAL


def words_of(stderr: bytes, status: int) -> str:
    """All stderr lines of a command as one text: a site's own reason stands before Slurm's last line."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return "\n".join(lines) if lines else f"no words, exit status {status}"
