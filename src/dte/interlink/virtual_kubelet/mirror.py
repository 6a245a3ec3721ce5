"""What the site has of this node, as its stream of changes tells it. No I/O, no clock: times come in."""

from collections.abc import Iterator
from dataclasses import dataclass

from dte.interlink.watch.lines import GoneLine, HeartbeatLine, Line, PodLine, SyncedLine
from dte.interlink.wire import PodStatus

STOPPING_S = 900.0
"""How long an accepted delete is taken for one that is under way; after that it is sent again."""


@dataclass(frozen=True, slots=True)
class SiteJob:
    """A pod that the site has and has not deleted, running or ended."""

    status: PodStatus
    """As last told."""
    seen_since: float
    """When we first heard of it, by our own monotonic clock."""

    @property
    def uid(self) -> str:
        return self.status.uid


class Mirror:
    """The site's jobs by UID. Only while it `is_current` does a pod that is missing here have no job there.

    Numbers of lines (`rev`) are not compared: the lines of one connection come in order, and every connection
    begins with the whole state, so that nothing of another instance is ever held against it.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, SiteJob] = {}
        self._stopping: dict[str, float] = {}
        """When a delete of these was accepted; a grace period may keep them alive for long."""
        self._told: set[str] = set()
        """UIDs of this connection, until it is synced."""
        self.is_synced = False
        """The stream tells every change; nobody needs to ask."""
        self.is_complete = False
        """All parts of the site have told what they have."""

    @property
    def is_current(self) -> bool:
        return self.is_synced and self.is_complete

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[SiteJob]:
        return iter(tuple(self._jobs.values()))

    def get(self, uid: str) -> SiteJob | None:
        return self._jobs.get(uid)

    def tells(self, uid: str) -> bool:
        """Whether the stream will say what becomes of this pod's job."""
        return self.is_current and uid in self._jobs

    def stopping(self, uid: str, now: float) -> None:
        """The site accepted to delete this one."""
        if uid in self._jobs:
            self._stopping[uid] = now

    def is_stopping(self, uid: str, now: float) -> bool:
        """Whether a delete was accepted of late."""
        return uid in self._stopping and now - self._stopping[uid] < STOPPING_S

    def connected(self) -> None:
        """A new stream begins with the whole state."""
        self.disconnected()
        self._told = set()

    def disconnected(self) -> None:
        """What is known grows old."""
        self.is_synced = self.is_complete = False

    def take(self, line: Line, now: float) -> None:
        """`now` in monotonic seconds."""
        match line:
            case PodLine():
                self._told.add(line.uid)
                self._put(line, now)
            case GoneLine(uid, _):
                self._told.discard(uid)
                self._drop(uid)
            case SyncedLine(_, is_incomplete):
                self._synced(is_complete=not is_incomplete)
            case HeartbeatLine():
                pass

    def _put(self, line: PodLine, now: float) -> None:
        if line.deleted:
            self._drop(line.uid)
            return
        before = self._jobs.get(line.uid)
        self._jobs[line.uid] = SiteJob(line.status, before.seen_since if before else now)

    def _drop(self, uid: str) -> None:
        self._jobs.pop(uid, None)
        self._stopping.pop(uid, None)

    def _synced(self, *, is_complete: bool) -> None:
        if not self.is_synced:
            for uid in self._jobs.keys() - self._told:
                self._drop(uid)
            self._told = set()
        self.is_synced, self.is_complete = True, is_complete
