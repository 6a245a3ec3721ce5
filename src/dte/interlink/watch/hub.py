"""The newest line of every pod, and those who read along. No I/O: one event loop, nothing here waits but readers."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dte.interlink import wire

from .lines import GoneLine, Line, PodLine, SyncedLine

Select = Callable[[PodLine], bool]
"""Whether a reader may see a pod; the same answer for all lines of a pod."""


class WatchHub:
    """Holds a line for each pod; a change goes to every reader that may see the pod."""

    def __init__(self) -> None:
        self._instance = uuid.uuid4().hex
        self._rev = 0
        self._complete = True
        self._lines: dict[str, PodLine] = {}
        self._readers: set[WatchReader] = set()

    def get(self, uid: str) -> PodLine | None:
        """The newest line of a pod."""
        return self._lines.get(uid)

    def all(self) -> Sequence[PodLine]:
        """The newest line of every pod."""
        return tuple(self._lines.values())

    def publish(
        self,
        status: wire.PodStatus,
        *,
        deleted: bool = False,
        owner: str = "",
        creator: wire.Creator | None = None,
    ) -> None:
        """Put a pod's state in place of the one there was; nobody hears of one that is the same."""
        old = self._lines.get(status.uid)
        line = PodLine(status, old.rev if old else 0, deleted, owner, creator)
        if line == old:
            return
        self._lines[status.uid] = line = replace(line, rev=self._next_rev())
        for reader in self._readers:
            if reader.select(line):
                reader.put(line.uid, line)

    def forget(self, uid: str) -> None:
        """Drop a pod that is no longer on record; unknown ones are none."""
        line = self._lines.pop(uid, None)
        if line is None:
            return
        gone = GoneLine(uid, self._next_rev())
        for reader in self._readers:
            if reader.select(line):
                reader.put(uid, gone)

    def set_complete(self, complete: bool) -> None:
        """Say whether all sources of this hub have told their state; a hub without sources is complete."""
        if complete != self._complete:
            self._complete = complete
            for reader in self._readers:
                reader.synced(self._synced())

    @contextlib.contextmanager
    def reader(self, select: Select = lambda _: True) -> Iterator[WatchReader]:
        """A reader that begins with the whole state of the pods that `select` admits."""
        reader = WatchReader(select)
        for line in self._lines.values():
            if select(line):
                reader.put(line.uid, line)
        reader.synced(self._synced())
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    def _synced(self) -> SyncedLine:
        return SyncedLine(self._instance, incomplete=not self._complete)

    def _next_rev(self) -> int:
        self._rev += 1
        return self._rev


class WatchReader:
    """What one reader has not been told yet: of a pod the newest line only, however slowly it reads."""

    def __init__(self, select: Select) -> None:
        self.select = select
        self._pending: dict[str, Line] = {}
        self._synced: SyncedLine | None = None
        self._news = asyncio.Event()

    def put(self, uid: str, line: PodLine | GoneLine) -> None:
        self._pending[uid] = line
        self._news.set()

    def synced(self, line: SyncedLine) -> None:
        self._synced = line
        self._news.set()

    async def lines(self) -> Sequence[Line]:
        """The lines since the last call, pods first, once there are any."""
        await self._news.wait()
        self._news.clear()
        lines: list[Line] = list(self._pending.values())
        self._pending = {}
        if self._synced is not None:
            lines.append(self._synced)
            self._synced = None
        return lines
