"""Whose pods the sidecars tell of: the table learns from their records what it does not know.

A table that is empty (a new disk, a moved edge) is rebuilt before anybody is served: a stranger could otherwise
take what the table does not remember.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterable, Sequence

import structlog

from dte.interlink.api.caller import default_owner
from dte.interlink.api.ownership import Ownership, OwnershipTable
from dte.interlink.watch.lines import PodLine
from dte.runtime.errors import Unavailable

log = structlog.get_logger()

PATIENCE_S = 2.0
"""How long after a start calls wait for the table instead of being told to come again."""


class Owners:
    """The table, and how it is filled from the sidecars' streams."""

    def __init__(
        self, table: OwnershipTable, accounts: Iterable[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._table = table
        self._clock = clock
        self._awaited = set() if len(table) else set(accounts)
        """Accounts not yet heard, of a table that was empty at the start."""
        self._complete = asyncio.Event()
        self._patient_until = asyncio.get_running_loop().time() + PATIENCE_S
        self._found: dict[str, Ownership] = {}
        """Rows of a rebuild. They go to disk together at its end: cut short, it begins again."""

    async def require_all(self) -> None:
        """Raises Unavailable while the table is being rebuilt; calls of the first moment wait for it."""
        if self._awaited:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._patient_until):
                    await self._complete.wait()
        if self._awaited:
            raise Unavailable(
                "the site is learning who owns which pod, and has not heard from the sidecars of "
                f"{', '.join(sorted(self._awaited))}; nothing is lost, try again"
            )

    def account_of(self, pod_uid: str) -> str | None:
        """None for a pod that nobody owns here."""
        row = self._table.find(pod_uid) or self._found.get(pod_uid)
        return None if row is None else row.account

    async def learn(self, account: str, lines: Sequence[PodLine]) -> None:
        """Make rows for pods that the table does not know, and mark those whose delete it missed.

        Raises Unavailable when the disk hangs.
        """
        now = int(self._clock())
        rows = [
            Ownership(
                line.uid,
                line.creator,
                line.owner or default_owner(line.creator),
                account,
                now,
                now if line.deleted else None,
            )
            for line in lines
            if line.creator is not None and self.account_of(line.uid) is None
        ]
        if self._awaited:
            self._found.update((row.pod_uid, row) for row in rows)
        elif rows:
            await self._table.adopt(rows)
            log.info("owners_learnt", account=account, count=len(rows))
        for line in lines:
            if line.deleted:
                await self._mark_deleted(line.uid, now)

    async def heard(self, account: str) -> None:
        """The account has told all its pods, or has no way to tell. Raises Unavailable when the disk hangs."""
        if account not in self._awaited:
            return
        while self._awaited == {account} and self._found:
            rows, self._found = self._found, {}
            try:
                await self._table.adopt(list(rows.values()))
            except Unavailable:
                self._found = rows | self._found
                raise
            log.info("owners_rebuilt", count=len(rows))
        self._awaited.discard(account)
        if not self._awaited:
            self._complete.set()

    async def forget(self, account: str, pod_uids: Sequence[str]) -> None:
        """Drop the rows of pods that the account's sidecar has forgotten; a disk that refuses keeps them."""
        uids = [uid for uid in pod_uids if self.account_of(uid) == account]
        for uid in uids:
            self._found.pop(uid, None)
        if not uids:
            return
        try:
            await self._table.forget(uids)
        except Unavailable as error:
            log.warning("owners_kept", account=account, count=len(uids), error=str(error))

    def outdated(self, before: int, *, told: Callable[[str], bool], live: Callable[[str], bool]) -> Sequence[str]:
        """Pods whose rows may go: their sidecar tells nothing of them, and they were deleted before that time.

        Of an account whose stream is `live`, so that it would tell of any pod there is, those too that were
        never deleted here: their records went while nobody listened.
        """
        return [
            row.pod_uid
            for row in self._table.rows()
            if not told(row.pod_uid) and _last_wanted(row, live=live(row.account)) < before
        ]

    async def _mark_deleted(self, pod_uid: str, now: int) -> None:
        try:
            await self._table.mark_deleted(pod_uid, now)
        except Unavailable as error:
            log.warning("delete_not_marked", pod_uid=pod_uid, error=str(error))


def _last_wanted(row: Ownership, *, live: bool) -> float:
    if row.deleted_at is not None:
        return row.deleted_at
    return row.created_at if live else math.inf
