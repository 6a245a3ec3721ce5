"""Paths and texts that a pod names, checked before they become a path or bytes of ours. No I/O here."""

from pathlib import PurePosixPath
from typing import Any

from dte.runtime.errors import Refused

MAX_COMPONENT_BYTES, MAX_PATH_BYTES = 255, 1024


def encoded(text: str, what: str) -> bytes:
    """UTF-8. Raises Refused for half a surrogate pair, which JSON can carry and UTF-8 cannot."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Refused(f"{what} is not valid Unicode") from error


def confined_path(text: Any, what: str) -> str:
    """A relative path below some directory, normalised. Raises Refused for one that is none."""
    if not isinstance(text, str) or "\0" in text or text.startswith("/"):
        raise Refused(f"{what} must be a relative path, got {text!r:.80}")
    path = PurePosixPath(text)
    if not path.parts or ".." in path.parts:
        raise Refused(f"{what} must be a path without .. components, got {text!r:.80}")
    if len(encoded(text, what)) > MAX_PATH_BYTES or any(
        len(part.encode()) > MAX_COMPONENT_BYTES for part in path.parts
    ):
        raise Refused(f"{what} is too long: {text!r:.80}")
    return str(path)


def absolute_path(text: Any, what: str) -> str:
    """A path in a container, normalised. Raises Refused for one that is none."""
    if not isinstance(text, str) or not text.startswith("/"):
        raise Refused(f"{what} must be absolute, got {text!r:.80}")
    return "/" + confined_path(text.lstrip("/"), what)
