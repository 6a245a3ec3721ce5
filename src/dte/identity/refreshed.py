"""A value that is fetched from elsewhere, kept while it is good enough, and fetched by one at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from dte.runtime.errors import BadOutput, Unavailable

log = structlog.get_logger()

T = TypeVar("T")

FRESH_S = 3600.0
STALE_S = 86400.0
"""Keys of an issuer that is down serve for a day (the WLCG profile allows one to four)."""
RETRY_S = 5.0
"""Within this time of a failure others get the same failure, instead of waiting for their own."""


class Refreshed(Generic[T]):
    """Fresh for an hour, then renewed in the background; kept for a day while renewal fails."""

    def __init__(
        self, what: str, fetch: Callable[[], Awaitable[T]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._fetch = fetch
        self._clock = clock
        self._value: T | None = None
        self._fetched_at = 0.0
        self._failed_at: float | None = None
        self._failure: Unavailable | BadOutput | None = None
        self._lock = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None

    @property
    def age_s(self) -> float | None:
        """Since the last good fetch; None when there was none."""
        return None if self._value is None else self._clock() - self._fetched_at

    async def get(self) -> T:
        """Raises Unavailable or BadOutput when there is no value that may still be used."""
        age = self.age_s
        if self._value is None or age is None or age > STALE_S:
            return await self.renewed(since=self._clock())
        if age > FRESH_S and self._renewal is None:
            self._renewal = asyncio.create_task(self._renew_quietly(), name=f"renew {self._what}")
        return self._value

    async def renewed(self, since: float) -> T:
        """A value fetched after `since` (of the clock), by us or by somebody who was faster."""
        async with self._lock:
            if self._value is not None and self._fetched_at >= since:
                return self._value
            if self._failure is not None and self._failed_at is not None and self._clock() - self._failed_at < RETRY_S:
                raise type(self._failure)(str(self._failure))
            try:
                self._value = await self._fetch()
            except (Unavailable, BadOutput) as error:
                if self._failure is None:  # said once, not at every try
                    log.warning("issuer_failed", what=self._what, error=str(error))
                self._failure, self._failed_at = error, self._clock()
                raise
            if self._failure is not None:
                log.info("issuer_is_back", what=self._what)
            self._failure = None
            self._fetched_at = self._clock()
            return self._value

    async def _renew_quietly(self) -> None:
        try:
            await self.renewed(since=self._clock())
        except (Unavailable, BadOutput):
            pass  # logged above; the old value serves
        finally:
            self._renewal = None
