"""How long to wait before the next try, for loops that wait themselves: news may have to wake them."""

from dataclasses import dataclass

FIRST_DELAY_S = 1.0
MAX_DELAY_S = 60.0
"""Long enough for what is down to breathe, short enough that work goes on soon after it is back."""
MAX_RETRY_AFTER_S = 600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling delays from `first_s` to `max_s`, each shortened by up to half at random (full jitter's milder form).

    Jitter spreads those that all failed at the same moment.
    """

    first_s: float = FIRST_DELAY_S
    max_s: float = MAX_DELAY_S

    def delay_s(self, failures: int, chance: float, retry_after_s: float | None = None) -> float:
        """The wait after the `failures`-th failure in a row (1 is the first); `chance` is random in 0..1.

        A Retry-After of the other side is a lower bound.
        """
        doubled = self.first_s * 2.0 ** min(failures - 1, 30)
        delay = min(doubled, self.max_s) * (1.0 - chance / 2.0)
        return max(delay, min(retry_after_s or 0.0, MAX_RETRY_AFTER_S))
