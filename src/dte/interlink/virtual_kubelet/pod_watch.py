"""The pods of the node as a stream: complete lists and changes, through every break of the watch."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

import structlog

from dte.interlink.pods import Pod
from dte.interlink.virtual_kubelet import metrics
from dte.interlink.virtual_kubelet.ports import Expired, PodStore
from dte.interlink.virtual_kubelet.times import Clock
from dte.runtime.backoff import Backoff
from dte.runtime.errors import BadOutput, DteError, Refused, Unavailable

log = structlog.get_logger()

RECONNECT = Backoff(first_s=0.5, max_s=30.0)


@dataclass(frozen=True, slots=True)
class Listed:
    """All pods there are: one that is missing here is gone."""

    pods: Sequence[Pod]


@dataclass(frozen=True, slots=True)
class Changed:
    pod: Pod


@dataclass(frozen=True, slots=True)
class Removed:
    pod: Pod


News = Listed | Changed | Removed


class PodWatch:
    """Lists once, then follows; lists again only when the server no longer has the history (410)."""

    def __init__(self, store: PodStore, clock: Clock, chance: Callable[[], float] = random.random) -> None:
        self._store = store
        self._clock = clock
        self._chance = chance
        self._version = ""
        self.broken_since: float | None = clock.time()
        """Unix seconds since when the cluster's state is not known to be current; None while it is."""

    async def news(self) -> AsyncGenerator[News, None]:
        """Never ends; what may heal is waited out."""
        failures = 0
        while True:
            try:
                async with contextlib.aclosing(self._follow()) as items:
                    async for item in items:
                        failures = 0
                        yield item
            except Expired:
                log.info("watch_expired", hint="listing again")
                self._version = ""
            except (Unavailable, BadOutput, Refused) as error:
                failures += 1
                await self._pause(error, failures)
                if not isinstance(error, Unavailable):
                    self._version = ""

    async def _follow(self) -> AsyncGenerator[News, None]:
        if not self._version:
            listing = await self._store.list_pods()
            metrics.RELISTS.inc()
            self._version = listing.resource_version
            self._is_current()
            yield Listed(listing.pods)
        async with contextlib.aclosing(self._store.watch_pods(self._version)) as changes:
            async for change in changes:
                self._is_current()
                self._version = change.resource_version or self._version
                if change.kind == "DELETED":
                    yield Removed(change.pod)
                elif change.kind != "BOOKMARK":
                    yield Changed(change.pod)

    def _is_current(self) -> None:
        if self.broken_since is not None:
            log.info("watch_current", after_s=round(self._clock.time() - self.broken_since, 1))
            self.broken_since = None

    async def _pause(self, error: DteError, failures: int) -> None:
        if self.broken_since is None:
            self.broken_since = self._clock.time()
        delay_s = RECONNECT.delay_s(failures, self._chance())
        if failures == 1:
            log.warning("watch_broken", error=str(error), retry_in_s=round(delay_s, 1))
        await self._clock.wait(asyncio.Event(), delay_s)
