"""The errors that we raise on purpose, classed by what the caller does next."""

from collections.abc import Sequence


class DteError(Exception):
    """Base of every error raised on purpose. Anything else is a bug and ends the task."""


class Unavailable(DteError):
    """Try again later: a controller is down, a time-out, a 503. Known state stays as it is.

    `retry_after_s`: when the other side (or this one) wants the next try; None: no wish.
    """

    def __init__(self, text: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Refused(DteError):
    """Final, and the caller's to fix: the text goes into the pod's status or the 4xx body."""


class Malformed(Refused):
    """The request could not be read (HTTP 400)."""


class NotFound(Refused):
    """No such thing, or none that this caller may see (HTTP 404)."""


class Conflict(Refused):
    """The thing is in a state that rules the request out for good (HTTP 409)."""


class BadOutput(DteError):
    """The other side said something that we do not understand: log it whole, count it, skip that item."""


class ConfigError(DteError):
    """A configuration that no daemon may start with; `problems` has one line for each fault found."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
