"""Notices of jobs: files named by pod UID, left in one directory whenever a status file changes. All of it blocks."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from dte.interlink import pods

STALE_TEMPORARY_S: Final = 86400.0


def take_notices(directory: Path) -> frozenset[str]:
    """UIDs of pods that left a notice since the last call. Blocks; raises OSError."""
    taken: set[str] = set()
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(ValueError):
                taken.add(pods.checked_uid(entry.name))
    for uid in taken:
        # Removed before the status file is read: a change after this makes a new notice. One that cannot be removed is
        # read again and again, which is slow and right.
        with contextlib.suppress(OSError):
            (directory / uid).unlink()
    return frozenset(taken)


def remove_stale(directory: Path, now: float) -> None:
    """Remove what supervisors left that were killed while they wrote a notice. Blocks; raises OSError."""
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".tmp") and now - entry.stat(follow_symlinks=False).st_mtime > STALE_TEMPORARY_S:
                Path(entry.path).unlink(missing_ok=True)
