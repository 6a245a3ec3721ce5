"""The files of all jobs of a root, for a command that runs beside the sidecar or without it. Blocks."""

from __future__ import annotations

from pathlib import Path

from dte.interlink.jobs.directory import JobDirectory, list_job_directories

from .listing import ListedJob, listed
from .store import read_one

Times = tuple[int | None, int | None, int | None]
"""When record.json, claim and status.json were written, in nanoseconds; None: not there."""


class JobFiles:
    """Reads them as often as asked; a job none of whose files changed is read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[Path, tuple[Times, ListedJob]] = {}

    def read(self) -> list[ListedJob]:
        """Blocks; raises OSError for a root that cannot be listed."""
        found = [self._read_one(directory) for directory in list_job_directories(self._root)]
        there = {job.directory for job in found if job is not None}
        self._known = {path: item for path, item in self._known.items() if path in there}
        return [job for job in found if job is not None]

    def _read_one(self, directory: JobDirectory) -> ListedJob | None:
        times = _times(directory)
        known = self._known.get(directory.path)
        if known is not None and known[0] == times:
            return known[1]
        try:
            found = read_one(directory)
        except OSError:
            return None  # just being made or removed
        if found is None:
            return None
        _, claimed, status = times
        job = listed(found, directory.path, claimed_at=_seconds(claimed), status_at=_seconds(status))
        self._known[directory.path] = times, job
        return job


def _times(directory: JobDirectory) -> Times:
    return _mtime_ns(directory.record), _mtime_ns(directory.claim), _mtime_ns(directory.status)


def _mtime_ns(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
