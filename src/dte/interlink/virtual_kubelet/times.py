"""Times as Kubernetes writes them, and the clock that loops wait by."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time as the controller sees it; tests pass one that they move by hand."""

    def time(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, whatever somebody does to the host's clock."""
        ...

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> None:
        """Return when `event` is set or `timeout_s` has passed, whichever is first; None waits for the event."""
        ...


class SystemClock:
    """The real one."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return


def kube_time(seconds: float) -> str:
    """metav1.Time: RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def kube_micro_time(seconds: float) -> str:
    """metav1.MicroTime, as leases carry it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def checked_time(value: object) -> str | None:
    """`value` as metav1.Time, or None when it is no RFC 3339 time or Go's zero time.

    The API server refuses a whole status for one malformed time.
    """
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    if parsed.tzinfo is None or parsed.year <= 1:
        return None
    return kube_time(parsed.timestamp())
