"""Which of a site's jobs no pod believes in any more, and whether so many may go at once. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dte.interlink.virtual_kubelet.mirror import SiteJob
from dte.interlink.virtual_kubelet.taints import RELEASE_ANNOTATION

ORPHAN_AGE_S = 120.0
"""A job must have been without its pod for so long, by our own clock, before it is deleted."""
MANY_GONE = 20
MANY_GONE_SHARE = 0.1
"""More than both would not vanish at once in a healthy cluster (docs/virtual-kubelet.md, "Safety")."""


def is_too_many(gone: int, known: int) -> bool:
    """True when `gone` of `known` pods missing is more likely a wrong cluster than the truth."""
    return gone > MANY_GONE and gone > MANY_GONE_SHARE * known


class Orphans:
    """Jobs without a pod, and since when we have seen each of them so (monotonic seconds)."""

    def __init__(self) -> None:
        self._since: Mapping[str, float] = {}

    def look(self, jobs: Iterable[SiteJob], now: float) -> None:
        """`jobs` are those without a pod now; one that had a pod in between starts anew."""
        self._since = {job.uid: self._since.get(job.uid, now) for job in jobs}

    def uids(self) -> frozenset[str]:
        return frozenset(self._since)

    def is_due(self, uid: str, now: float) -> bool:
        return uid in self._since and now - self._since[uid] > ORPHAN_AGE_S


@dataclass(slots=True)
class SweepHold:
    """A sweep that was stopped because too much would have gone, and an administrator's word to go on."""

    orphans: int = 0
    """Jobs held back; 0: nothing is."""
    jobs: int = 0
    """All that the site has of this node."""
    released: int = 0
    """The next sweep may delete up to so many, once."""

    def admits(self, orphans: Sequence[SiteJob], jobs: int) -> bool:
        """Whether these may go; takes note when not."""
        if is_too_many(len(orphans), jobs) and len(orphans) > self.released:
            self.orphans, self.jobs, self.released = len(orphans), jobs, 0
            return False
        self.clear()
        return True

    def clear(self) -> None:
        self.orphans = self.jobs = self.released = 0


def held_text(orphans: int, jobs: int, node_name: str) -> str:
    """What an administrator reads in event, condition and log."""
    return (
        f"{orphans} of {jobs} jobs at the site have no pod in this cluster. A wrong kubeconfig or a restored etcd looks"
        f" like that, so they are left alone. If they should go: kubectl annotate node {node_name}"
        f" {RELEASE_ANNOTATION}={orphans}"
    )
