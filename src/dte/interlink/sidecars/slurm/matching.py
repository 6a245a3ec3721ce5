"""Which jobs of a listing belong to which pod. Pure.

Ids of the batch system restart and wrap, and a site's submit plugin may rename jobs: an id alone proves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from dte.interlink.pods import checked_uid

from .parse import QueueJob
from .record import Maker, Record
from .states import is_final


class QueueIndex:
    """The jobs of one listing, found by pod."""

    def __init__(self, jobs: Iterable[QueueJob]) -> None:
        self._by_id: dict[str, QueueJob] = {}
        self._by_name: dict[str, list[QueueJob]] = defaultdict(list)
        self._by_work_dir: dict[str, list[QueueJob]] = defaultdict(list)
        for job in jobs:
            self._by_id[job.job_id] = job
            self._by_name[job.name].append(job)
            self._by_work_dir[job.work_dir].append(job)

    def recorded(self, record: Record, work_dir: Path) -> QueueJob | None:
        """The job with the record's id, if name, working directory or comment prove that it is the pod's."""
        job = self._by_id.get(record.job_id)
        if job is None:
            return None
        if job.name == record.pod_uid or job.work_dir == str(work_dir):
            return job
        if _is_another_pods(job, work_dir):
            return None
        # A pod that is created again under its name has the same comment; upstream's plugin let pods name their
        # jobs, which run where it was started: only the id is left to know them by.
        has_comment = record.comment != "" and job.comment == record.comment
        return job if has_comment or record.made_by is Maker.UPSTREAM else None

    def of_pod(self, record: Record, work_dir: Path) -> tuple[QueueJob, ...]:
        """All jobs that were submitted for the pod, whatever their id; the oldest first."""
        found = {job.job_id: job for job in self._by_name.get(record.pod_uid, ())}
        found |= {job.job_id: job for job in self._by_work_dir.get(str(work_dir), ())}
        return tuple(sorted(found.values(), key=lambda job: int(job.job_id)))


def _is_another_pods(job: QueueJob, work_dir: Path) -> bool:
    """Whether a job that is not this directory's is named after a pod, or runs in a job directory."""
    if Path(job.work_dir).parent == work_dir.parent:
        return True
    try:
        checked_uid(job.name)
    except ValueError:
        return False
    return True


def job_to_adopt(jobs: Sequence[QueueJob], *, claimant: str, recorded: str) -> str:
    """The id of the one job of a pod, out of all that were submitted for it (`jobs`: at least one).

    The one that has the claim, as its status file says; else the recorded one; else the oldest that is not over;
    else the one that ended last. A claimant counts only if the queue lists it as the pod's: a pod can write any id
    into its files.
    """
    ids = [job.job_id for job in jobs]
    if claimant in ids:
        return claimant
    if recorded:
        return recorded
    return next((job.job_id for job in jobs if not is_final(job.state)), ids[-1])
