"""File events of the directory of notices, where its file system has them: the keeper hears of a notice at once."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import structlog
from watchfiles import Change
from watchfiles._rust_notify import RustNotify

from dte.interlink.jobs.directory import NOTICES
from dte.runtime.errors import Unavailable
from dte.runtime.files import FilePool
from dte.runtime.mounts import file_system_type

from .keeper import Keeper

log = structlog.get_logger()

LOCAL_TYPES: Final = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})
"""File systems all of whose writers run on this kernel (a file server's own exports too), so that it sees each write.

On NFS, Lustre, GPFS, CephFS, BeeGFS and FUSE no kernel hears of another host's writes: inotify(7), "Limitations".
"""
STEP_MS: Final = 25
DEBOUNCE_MS: Final = 100
"""Events are told when none came for a step, or after this time while more and more come."""
CHECK_S: Final = 5.0
"""Between two looks whether the directory is still the one that is watched: a root may be mounted anew."""
RETRY_S: Final = 60.0
"""Between two tries to watch. After a watch that worked the first try comes with the next check."""


class FileEvents(Enum):
    """Whether to rely on file events. The values are those of the setting."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Watched:
    """A directory under watch, and which one it is."""

    events: RustNotify
    device: int
    inode: int


class NoticeWatch:
    """Tells the keeper when a notice appears. It reads nothing: a missed event costs time, never a state."""

    def __init__(self, root: Path, pool: FilePool, keeper: Keeper, *, mode: FileEvents) -> None:
        self._directory = root / NOTICES
        self._pool = pool
        self._keeper = keeper
        self._mode = mode

    async def run(self) -> None:
        """Run until cancelled."""
        known_reason = ""
        while True:
            reason = await self._watch_once()
            did_work, self._keeper.is_told_of_notices = self._keeper.is_told_of_notices, False
            if did_work or reason != known_reason:
                log.info("notices_are_listed", directory=str(self._directory), reason=reason)
            known_reason = reason
            await asyncio.sleep(CHECK_S if did_work else RETRY_S)

    async def _watch_once(self) -> str:
        """Watch as long as it works; why it does not."""
        try:
            kind = await self._pool.run(_type_of, self._directory)
            reason = why_not(self._mode, kind)
            if reason is not None:
                return reason
            watched = await self._pool.run(_watch, self._directory)
        except (Unavailable, OSError) as e:
            return str(e)
        log.info("notices_are_watched", directory=str(self._directory), file_system=kind)
        return await self._relay(watched)

    async def _relay(self, watched: Watched) -> str:
        stop = threading.Event()
        self._keeper.is_told_of_notices = True
        self._keeper.notices_soon()  # for what came before the watch began
        try:
            while True:
                # Waits in memory for what the kernel says: not a file operation, whatever the mount does.
                changes = await asyncio.to_thread(watched.events.watch, DEBOUNCE_MS, STEP_MS, int(CHECK_S * 1000), stop)
                if isinstance(changes, str):
                    if not await self._pool.run(_is_same, self._directory, watched):
                        return "the directory was replaced"
                elif any(change != Change.deleted for change, _ in changes):
                    self._keeper.notices_soon()
        except (Unavailable, OSError) as e:
            return str(e)
        finally:
            stop.set()
            watched.events.close()


def why_not(mode: FileEvents, kind: str) -> str | None:
    """Why events are not relied on, on a file system of this type (empty: unknown); None: they are."""
    match mode:
        case FileEvents.NEVER:
            return "FileEvents is never"
        case FileEvents.AUTO if kind not in LOCAL_TYPES:
            return f"{kind or 'this file system'} does not tell of other hosts' writes"
        case _:
            return None


def _type_of(directory: Path) -> str:
    directory.mkdir(mode=0o700, exist_ok=True)
    return file_system_type(directory)


def _watch(directory: Path) -> Watched:
    found = directory.stat()
    events = RustNotify([str(directory)], False, False, 0, recursive=False, ignore_permission_denied=False)
    return Watched(events, found.st_dev, found.st_ino)


def _is_same(directory: Path, watched: Watched) -> bool:
    found = directory.stat()
    return (found.st_dev, found.st_ino) == (watched.device, watched.inode)
