"""News from the site to the pods' records: its stream of changes, and questions where there is none."""

import asyncio
from collections.abc import Mapping, Sequence, Set

import structlog

from dte.interlink.virtual_kubelet import metrics
from dte.interlink.virtual_kubelet.notes import Note
from dte.interlink.virtual_kubelet.ports import NoWatch, SiteUnavailable
from dte.interlink.virtual_kubelet.record import PodRecord
from dte.interlink.virtual_kubelet.registry import PodRegistry
from dte.interlink.virtual_kubelet.worker import Surroundings
from dte.interlink.watch.lines import Line, PodLine, SyncedLine
from dte.interlink.wire import PodStatus
from dte.runtime.backoff import Backoff
from dte.runtime.errors import DteError, Refused, Unavailable

log = structlog.get_logger()

RECONNECT = Backoff(first_s=0.5, max_s=30.0)
STEADY_S = 30.0
"""A stream that lived shorter counts as a failure, synced or not: one that breaks at once must not be hammered."""
WATCH_AGAIN_S = 300.0
"""Between two tries at a site without a stream: it may have been upgraded."""
UNTOLD_S = 60.0
JOB_UNKNOWN = Note("JobUnknown", "the site no longer knows the pod's job; the state shown is what it last told")


class SiteNews:
    """Runs until it is cancelled. While the stream is synced nobody asks; while it is not, the site is asked in rounds.

    So a proxy that cuts or holds back streams costs seconds, never a state.
    """

    def __init__(self, around: Surroundings, registry: PodRegistry) -> None:
        self._around = around
        self._registry = registry
        self._mirror = around.mirror
        self._site_fails = False
        self._stream_fails = False
        self._looked_at = around.clock.monotonic()
        self._untold: Set[str] = frozenset()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_forever(), name="site watch")
            group.create_task(self._poll_forever(), name="status rounds")

    def introduce(self, record: PodRecord) -> None:
        """Tell a new record what the stream said before there was one."""
        job = self._mirror.get(record.uid)
        if job is not None:
            self._told(record, PodLine(job.status, 0))

    # The stream

    async def _watch_forever(self) -> None:
        failures = 0
        while True:
            began_at = self._around.clock.monotonic()
            error = await self._follow()
            if isinstance(error, NoWatch):
                failures = 0
                await self._pause(WATCH_AGAIN_S * (1.0 - self._around.chance() / 2.0))
                continue
            lived_s = self._around.clock.monotonic() - began_at
            failures = 1 if lived_s >= STEADY_S else failures + 1
            retry_after_s = error.retry_after_s if isinstance(error, SiteUnavailable) else None
            delay_s = RECONNECT.delay_s(failures, self._around.chance(), retry_after_s)
            self._tell_broken(error, delay_s)
            await self._pause(delay_s)

    async def _pause(self, delay_s: float) -> None:
        await self._around.clock.wait(asyncio.Event(), delay_s)

    async def _follow(self) -> DteError | None:
        """One connection from its beginning to its end; None when the site closed it."""
        self._mirror.connected()
        try:
            async with self._around.site.watch() as stream:
                async for lines in stream:
                    self._take(lines)
        except NoWatch as error:
            metrics.WATCHES.labels("absent").inc()
            return error
        except (Unavailable, Refused) as error:
            metrics.WATCHES.labels("failed").inc()
            return error
        finally:
            self._mirror.disconnected()
            metrics.WATCH_SYNCED.set(0)
        metrics.WATCHES.labels("ended").inc()
        return None

    def _tell_broken(self, error: DteError | None, delay_s: float) -> None:
        if not self._stream_fails:
            words = str(error) if error is not None else "the site closed it"
            log.warning("site_watch_broken", error=words, retry_in_s=round(delay_s, 1))
        self._stream_fails = True

    def _take(self, lines: Sequence[Line]) -> None:
        now = self._around.clock.monotonic()
        for line in lines:
            self._mirror.take(line, now)
            if isinstance(line, PodLine) and (record := self._registry.get(line.uid)) is not None:
                self._told(record, line)
            elif isinstance(line, SyncedLine):
                self._synced(line)

    def _synced(self, line: SyncedLine) -> None:
        self._stream_fails = False
        metrics.WATCH_SYNCED.set(int(self._mirror.is_current))
        log.info("site_watch_synced", instance=line.instance, jobs=len(self._mirror), is_incomplete=line.incomplete)

    def _told(self, record: PodRecord, line: PodLine) -> None:
        try:
            record.told(line.status, self._around.moment())
            if line.deleted:
                record.job_over(self._around.moment())
        except _MISUNDERSTOOD as error:
            _log_misunderstood(line.status, error)

    # The questions

    async def _poll_forever(self) -> None:
        while True:
            await self._pause(self._around.settings.status_interval_s)
            self._registry.count_phases()
            asked = [record for record in self._registry if record.awaits_status]
            if self._mirror.is_current:
                await self._ask_for_untold(asked)
            elif asked:
                await self._round(asked)

    async def _ask_for_untold(self, awaited: Sequence[PodRecord]) -> None:
        """Pods of whose jobs the stream has not spoken for a minute are asked for, and their owners told."""
        now = self._around.clock.monotonic()
        if now - self._looked_at < UNTOLD_S:
            return
        self._looked_at = now
        untold = [record for record in awaited if self._mirror.get(record.uid) is None]
        asked = [record for record in untold if record.uid in self._untold]
        self._untold = {record.uid for record in untold}
        known = await self._round(asked) if asked else None
        if known is None:
            return
        for record in asked:
            if record.uid not in known and record.awaits_status:
                await self._around.events.record(record.pod, JOB_UNKNOWN)

    async def _round(self, asked: Sequence[PodRecord]) -> Set[str] | None:
        """One question for all pods. What fails or is left out keeps every state as it is.

        The UIDs that the site knows; None when it did not answer, or not for all its parts.
        """
        lines_before = {record.uid: record.lines_told for record in asked}
        try:
            answer = await self._around.site.statuses([record.pod for record in asked])
        except (Unavailable, Refused) as error:
            self._round_failed(asked, error)
            if isinstance(error, Refused) and len(asked) > 1:
                await self._round_in_parts(asked)
            return None
        metrics.STATUS_ROUNDS.labels("answered").inc()
        if self._site_fails:
            log.info("status_rounds_back")
        self._site_fails = False
        for status in answer.statuses:
            self._hear(status, lines_before)
        return {status.uid for status in answer.statuses} if answer.is_complete else None

    async def _round_in_parts(self, asked: Sequence[PodRecord]) -> None:
        """Upstream's plugins fail a whole question for one job that they cannot find: halve until it is alone."""
        middle = len(asked) // 2
        for part in (asked[:middle], asked[middle:]):
            await self._round(part)

    def _round_failed(self, asked: Sequence[PodRecord], error: DteError) -> None:
        metrics.STATUS_ROUNDS.labels("failed").inc()
        if not self._site_fails:
            log.warning("status_round_failed", pods=len(asked), error=str(error))
        self._site_fails = True

    def _hear(self, status: PodStatus, lines_before: Mapping[str, int]) -> None:
        record = self._registry.get(status.uid)
        # A pod that was not asked for may be another cluster's, or another node's; one that the stream spoke of
        # meanwhile is better known than this answer knows it.
        if record is None or lines_before.get(status.uid) != record.lines_told:
            return
        try:
            record.heard(status, self._around.moment())
        except _MISUNDERSTOOD as error:
            _log_misunderstood(status, error)


_MISUNDERSTOOD = (KeyError, TypeError, ValueError, AttributeError)
"""What a state of an unforeseen shape ends in; that pod keeps the state it had."""


def _log_misunderstood(status: PodStatus, error: Exception) -> None:
    log.warning("status_not_understood", pod_uid=status.uid, error=repr(error), status=str(status)[:2000])
