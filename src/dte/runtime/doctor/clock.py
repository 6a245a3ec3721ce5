"""This host's clock: what keeps it, and how far it is from the clock of whoever answered us."""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from dte.runtime.commands import run_command
from dte.runtime.doctor.findings import Finding, critical, ok, unknown, warning
from dte.runtime.errors import DteError

LOOK_LIMIT_S: Final = 5.0
WARNING_S: Final = 2.0
"""A Date header has whole seconds, and the answer was under way."""
CRITICAL_S: Final = 60.0
"""Tokens and certificates that were just issued count as not valid yet; munge refuses beyond 300 s."""
ADVICE: Final = "let chrony or systemd-timesyncd keep the clock of both hosts"

_CONTAINER: Final = Path("/run/systemd/container")
_CHRONY_OFFSET: Final = 4
"""`chronyc -c tracking`: reference, its name, stratum, reference time, then the offset of the system clock."""


async def clock_kept() -> list[Finding]:
    """The check of what keeps this host's clock."""
    if _CONTAINER.exists():
        return [ok("the clock is that of the machine around this container")]
    try:
        completed = await run_command(["chronyc", "-c", "tracking"], timeout_s=LOOK_LIMIT_S)
        offset = parse_chrony(completed.stdout.decode(errors="replace"))
    except DteError:
        offset = None
    if offset is not None:
        return [judge_offset(offset, "its time servers (chrony)")]
    try:
        argv = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        completed = await run_command(argv, timeout_s=LOOK_LIMIT_S)
    except DteError as error:
        return [unknown(f"nothing tells whether the clock is kept: {error}", ADVICE)]
    return [judge_timedatectl(completed.stdout.decode(errors="replace"))]


def parse_chrony(text: str) -> float | None:
    """Seconds that the system clock is off by, from `chronyc -c tracking`; None where it does not say."""
    fields = text.strip().split(",")
    try:
        offset = float(fields[_CHRONY_OFFSET])
    except (IndexError, ValueError):
        return None
    return offset if math.isfinite(offset) else None


def judge_timedatectl(said: str) -> Finding:
    """From `timedatectl show --property=NTPSynchronized --value`."""
    match said.strip():
        case "yes":
            return ok("the clock is synchronised")
        case "no":
            return warning("the clock is not synchronised with a time server", ADVICE)
        case _:
            return unknown("nothing tells whether the clock is kept", ADVICE)


def offset_of(date: str, now: float) -> float | None:
    """Seconds that our clock is ahead of a peer's, from its Date header (RFC 9110, 6.6.1); None: cannot be read."""
    try:
        return now - parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def judge_offset(offset_s: float, whose: str) -> Finding:
    """Whether our clock and that of `whose` agree."""
    size = abs(offset_s)
    if size < WARNING_S:
        return ok(f"the clock agrees with that of {whose}")
    side = "ahead of" if offset_s > 0 else "behind"
    text = f"this host's clock is {size:.0f} s {side} that of {whose}"
    return critical(text, ADVICE) if size >= CRITICAL_S else warning(text, ADVICE)


def judge_date(date: str | None, whose: str, now: float | None = None) -> list[Finding]:
    """The same for a Date header; nothing without one."""
    offset = offset_of(date, time.time() if now is None else now) if date else None
    return [] if offset is None else [judge_offset(offset, whose)]
