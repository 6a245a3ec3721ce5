"""How long bearer tokens live. They are only read, never verified: that is their receiver's business."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from dte.runtime.doctor.findings import Finding, critical, ok, warning
from dte.runtime.errors import BadOutput

MAX_TOKEN_CHARS: Final = 64 << 10
NEARLY_OVER: Final = 0.1
"""The part of its life at which somebody should have renewed it; half of it for most programs that do."""
FALLBACK_LIFE_S: Final = 36_000.0
"""Where a token does not say when it was issued: it has to last another hour."""


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """Unix seconds; None where the token does not say."""

    issued_at: float | None
    expires_at: float | None


def parse_token(text: str) -> TokenTimes:
    """Read exp and iat (RFC 7519, 4.1) without verifying anything. Raises BadOutput, which never quotes the token."""
    parts = text.strip().split(".")
    if len(text) > MAX_TOKEN_CHARS or len(parts) != 3:
        raise BadOutput("it is no JSON Web Token")
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=dict[str, Any])
    except (binascii.Error, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise BadOutput("its claims cannot be read") from error
    return TokenTimes(_seconds(claims.get("iat")), _seconds(claims.get("exp")))


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 1e12 else None


def judge_token(what: str, times: TokenTimes, now: float) -> Finding:
    """Whether the token still lives, and whether whoever renews it does so."""
    renew = "let the program that renews it run, or put a new one there"
    if times.expires_at is None:
        return warning(f"{what} never expires", "use one that does, and have it renewed")
    left = times.expires_at - now
    if left <= 0:
        return critical(f"{what} expired {_duration(-left)} ago", renew)
    life = FALLBACK_LIFE_S if times.issued_at is None else times.expires_at - times.issued_at
    if left < life * NEARLY_OVER:
        return warning(f"{what} expires in {_duration(left)}", renew)
    return ok(f"{what}: {_duration(left)} left")


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
