"""The message that a container leaves about its end (terminationMessagePath and -Policy in the Kubernetes API)."""

import os

MESSAGE_BYTES = 4096
LOG_BYTES, LOG_LINES = 2048, 80
"""Of the log, for FallbackToLogsOnError."""


def message(path: str) -> str:
    """The first bytes of what a program wrote; empty where it wrote nothing, or put something else there."""
    return _text(path, 0, MESSAGE_BYTES)


def last_words(log: str) -> str:
    """The end of a log."""
    try:
        start = max(os.stat(log).st_size - LOG_BYTES, 0)
    except OSError:
        return ""
    return "".join(_text(log, start, LOG_BYTES).splitlines(True)[-LOG_LINES:])


def _text(path: str, start: int, size: int) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            return os.pread(file.fileno(), size, start).decode("utf-8", "replace")
    except OSError:
        return ""
