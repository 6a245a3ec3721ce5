"""The last answer of something slow, so that whoever asks need not wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from dte.runtime.errors import BadOutput, Unavailable

T = TypeVar("T")

KEEP_S: Final = 60.0
"""An answer younger than this is not asked for again."""
STALE_S: Final = 180.0
"""An answer older than this is no answer: the other side has been silent for too long."""
RETRY_S: Final = 10.0
"""Between two tries after a failure."""
PATIENCE_S: Final = 0.5
"""How long a caller waits for a fresh answer while there is an older one."""


class Remembered(Generic[T]):
    """Asks once for many callers, never twice at the same time; `ask` bounds its own time."""

    def __init__(self, ask: Callable[[], Awaitable[T]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._value: tuple[T, float] | None = None
        self._failure: tuple[str, float] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """The answer. Raises Unavailable when the other side is silent and the last answer, if any, is too old."""
        if not self._has_answer_within(KEEP_S) and not self._has_just_failed():
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._renew(), name="remembered answer")
            # Goes on when its caller leaves: the next one finds the answer.
            await asyncio.wait({self._asking}, timeout=PATIENCE_S if self._has_answer_within(STALE_S) else None)
        if self._value is None or not self._has_answer_within(STALE_S):
            assert self._failure is not None, "asked, and got no answer"
            raise Unavailable(self._failure[0])
        return self._value[0]

    async def close(self) -> None:
        """Give up what is being asked."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _renew(self) -> None:
        try:
            value = await self._ask()
        except (Unavailable, BadOutput) as e:
            self._failure = (str(e), self._clock())
        else:
            self._value, self._failure = (value, self._clock()), None

    def _has_answer_within(self, seconds: float) -> bool:
        return self._value is not None and self._clock() - self._value[1] < seconds

    def _has_just_failed(self) -> bool:
        return self._failure is not None and self._clock() - self._failure[1] < RETRY_S
