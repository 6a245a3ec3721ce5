"""Work that goes on when the client that asked for it goes away: a handler is then cancelled, the work is not."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Unfinished:
    """Holds such work. Each piece bounds itself: nobody waits for it any more when its client is gone."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, or what it raises; it is finished even if the caller is cancelled meanwhile."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_read_error)
        return await asyncio.shield(task)

    async def settled(self) -> None:
        """Return when all work is done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _read_error(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # raised to whoever waits; nobody does once the client is gone
