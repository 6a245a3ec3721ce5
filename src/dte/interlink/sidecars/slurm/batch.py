"""The batch system as the sidecar sees it: the interface, and what a submission is made of. No I/O here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dte.runtime.errors import Refused

from .parse import Listing, NodeLine


class PolicyLimit(Refused):
    """Accounting or QOS policy forbids the job: perhaps for now, perhaps for ever; the batch system does not say."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One job to submit. Paths are absolute and mean the same on every host."""

    name: str
    """The pod's UID."""
    comment: str
    directory: Path
    script: Path
    output: Path
    options: tuple[str, ...]
    """Arguments of the pod and the site, in the form `--name=value`."""


class BatchSystem(Protocol):
    """Submits, lists and ends the jobs of one account.

    All calls may run concurrently and may be repeated. Each raises Unavailable when the batch system does not answer
    in time or says to come again; nothing is then known about the outcome.

    What ends a job names it twice, by id and by the name that the queue shows: ids start again with the controller's
    state, and a job of another name under the id is left alone.
    """

    async def submit(self, submission: Submission) -> str:
        """Queue a job and return its id.

        Raises Refused (PolicyLimit where only policy stands in the way) with all the words of the batch system; then
        there is no job. After Unavailable there may be one.
        """
        ...

    async def queue(self) -> Listing:
        """All jobs of the account that the controller still knows, finished ones too."""
        ...

    async def accounted(self, job_ids: Sequence[str]) -> Listing | None:
        """What accounting knows of these ids; None means that the site keeps no accounting."""
        ...

    async def accounted_by_name(self, name: str) -> Listing | None:
        """What accounting knows of jobs of this name in the last days; None: the site keeps no accounting."""
        ...

    async def stop(self, job_id: str, name: str) -> None:
        """Drop the job if it waits; else ask its script to end (SIGTERM). Nothing happens to a finished job."""
        ...

    async def signal(self, job_id: str, name: str) -> None:
        """Ask the script of a job that has started to end (SIGTERM). Nothing happens to a finished job."""
        ...

    async def drop(self, job_id: str, name: str) -> None:
        """Cancel the job only if it still waits."""
        ...

    async def cancel(self, job_id: str, name: str) -> None:
        """End the job, whatever it does. Nothing happens to a finished job."""
        ...

    async def nodes(self, partitions: Sequence[str]) -> tuple[NodeLine, ...]:
        """The nodes of these partitions (empty: of all), one entry for each node and partition.

        Raises BadOutput when they cannot be understood.
        """
        ...
