"""What the lab says while it works, and every wait it makes."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from tests.lab.names import LabError

_started = time.monotonic()
_one_line_at_a_time = threading.Lock()


def say(text: str) -> None:
    """One progress line on standard error, with the seconds since the start."""
    with _one_line_at_a_time:
        print(f"lab {time.monotonic() - _started:6.1f} s  {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def saying(text: str, *, every_s: float = 30.0) -> Iterator[None]:
    """Say what is going on at its start, and again as long as the block takes."""
    say(text)
    begun = time.monotonic()
    ended = threading.Event()

    def remind() -> None:
        while not ended.wait(every_s):
            say(f"still {text}, {time.monotonic() - begun:.0f} s so far")

    reminder = threading.Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield
    finally:
        ended.set()
        reminder.join()


def wait_for(what: str, probe: Callable[[], str | None], limit_s: float, *, interval_s: float = 0.2) -> None:
    """Call `probe` until it returns None; its text says what is still missing.

    LabError with the last text after `limit_s`. A line is printed when the wait is long enough to be noticed.
    """
    begun = time.monotonic()
    next_line_at = begun + 3
    while (missing := probe()) is not None:
        now = time.monotonic()
        if now - begun > limit_s:
            raise LabError(f"{what}: not there after {limit_s:.0f} s: {missing}")
        if now >= next_line_at:
            say(f"waiting for {what}: {missing}")
            next_line_at = now + 15
        time.sleep(interval_s)
