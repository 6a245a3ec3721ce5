"""The query of a kubelet's /containerLogs -> the options of a log request. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from dte.interlink.virtual_kubelet.times import kube_time
from dte.interlink.wire import LogOptions
from dte.runtime.errors import Malformed


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What to ask the site for, and what is left for us to do."""

    options: LogOptions
    is_empty: bool = False
    """The caller asked for zero lines, or zero bytes, and not for what comes later."""
    cut_at_bytes: int | None = None
    """Stop after so many bytes: the site accepts a limit or a tail, not both (docs/wire/interlink.md)."""


def log_query(query: Mapping[str, str], now: float) -> LogQuery:
    """Read tailLines, limitBytes, sinceSeconds, sinceTime, timestamps, follow and previous (v1.PodLogOptions).

    Raises Malformed. `now` is in Unix seconds.
    """
    tail, limit = _count(query, "tailLines"), _count(query, "limitBytes")
    since_seconds, since_time = _count(query, "sinceSeconds"), query.get("sinceTime") or None
    if since_seconds is not None and since_time is not None:
        raise Malformed("sinceSeconds and sinceTime exclude each other; give one")
    follow = _flag(query, "follow")
    if limit == 0 or (tail == 0 and not follow):
        return LogQuery(LogOptions(), is_empty=True)
    if tail == 0 and since_seconds is None and since_time is None:
        # "Nothing of the past, but what comes": the wire's zero means "not set".
        since_time = kube_time(now)
    options = LogOptions(
        tail=tail or None,
        limit_bytes=None if tail else limit,
        timestamps=_flag(query, "timestamps"),
        follow=follow,
        previous=_flag(query, "previous"),
        since_seconds=since_seconds or None,
        since_time=since_time,
    )
    return LogQuery(options, cut_at_bytes=limit)


def _count(query: Mapping[str, str], key: str) -> int | None:
    text = query.get(key)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise Malformed(f"{key} must be a number that is not negative, got {text[:40]!r}")
    return int(text)


_FLAGS = {"": False, "0": False, "false": False, "1": True, "true": True}


def _flag(query: Mapping[str, str], key: str) -> bool:
    text = query.get(key, "").lower()
    if text not in _FLAGS:
        raise Malformed(f"{key} must be true or false, got {text[:40]!r}")
    return _FLAGS[text]
