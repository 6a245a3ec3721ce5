"""The message that a container leaves about its end (terminationMessagePath and -Policy in the Kubernetes API)."""

import os

MESSAGE_BYTES = 4096
ALL_MESSAGES_BYTES = 12288
"""Of all containers of a pod together, each has the same share."""
LOG_BYTES, LOG_LINES = 2048, 80
"""Of the log, for FallbackToLogsOnError."""


def message(path: str, containers: int) -> str:
    """The first bytes of what a program wrote; empty where it wrote nothing, or put something else there.

    `containers` is how many the pod has.
    """
    return _text(path, 0, min(MESSAGE_BYTES, ALL_MESSAGES_BYTES // containers))


def last_words(log: str, containers: int) -> str:
    """The end of a log."""
    size = min(LOG_BYTES, ALL_MESSAGES_BYTES // containers)
    try:
        start = max(os.stat(log).st_size - size, 0)
    except OSError:
        return ""
    return "".join(_text(log, start, size).splitlines(True)[-LOG_LINES:])


def _text(path: str, start: int, size: int) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            return os.pread(file.fileno(), size, start).decode("utf-8", "replace")
    except OSError:
        return ""
