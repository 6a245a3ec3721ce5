"""JSON Web Tokens as bytes: read without trust, then verified against one key."""

import base64
import binascii
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key

from dte.identity.errors import InvalidToken

MAX_TOKEN_BYTES = 16 << 10
LEEWAY_S = 60
"""For `nbf` and `iat`, as the WLCG profile says; `exp` gets none."""
DEFAULT_ALGORITHMS = ("RS256", "ES256")
MAX_SUBJECT_LENGTH = 255


@dataclass(frozen=True, slots=True)
class RawToken:
    """Header and claims that nobody has verified."""

    raw_header: Mapping[str, Any]
    raw_claims: Mapping[str, Any]

    @property
    def algorithm(self) -> str:
        return str(self.raw_header.get("alg"))

    @property
    def kid(self) -> str | None:
        kid = self.raw_header.get("kid")
        return kid if isinstance(kid, str) else None

    @property
    def issuer(self) -> str:
        issuer = self.raw_claims.get("iss")
        return issuer if isinstance(issuer, str) else ""


def is_jwt(token: str) -> bool:
    return token.count(".") == 2


def peek(token: str) -> RawToken:
    """Raises InvalidToken for what is no compact JWT of at most 16 KiB."""
    if len(token) > MAX_TOKEN_BYTES or not is_jwt(token):
        raise InvalidToken("the token is not a JSON Web Token")
    header, payload, _ = token.split(".")
    return RawToken(_object(header), _object(payload))


def _object(part: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidToken("the token is not a JSON Web Token") from error
    if not isinstance(value, dict):
        raise InvalidToken("the token is not a JSON Web Token")
    return value


def verified_claims(token: str, key: Key, algorithms: Collection[str]) -> dict[str, Any]:
    """The claims, once the signature is good. Raises InvalidToken."""
    try:
        return dict(jwt.decode(token, key, algorithms=list(algorithms)).claims)
    except (JoseError, ValueError, TypeError) as error:
        raise InvalidToken("the token's signature is not valid") from error


def check_times(claims: Mapping[str, Any], now: float) -> None:
    """Raises InvalidToken unless `exp` is ahead and `nbf` and `iat`, where given, are not."""
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise InvalidToken("the token has no exp")
    if expires_at <= now:
        raise InvalidToken("the token has expired")
    for name in ("nbf", "iat"):
        value = _time(claims, name)
        if value is not None and value > now + LEEWAY_S:
            raise InvalidToken(f"the token's {name} lies in the future")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidToken(f"the token's {name} is not a number")
    return float(value)


def audiences(claims: Mapping[str, Any]) -> frozenset[str]:
    """`aud` may be one string or a list of strings."""
    value = claims.get("aud", [])
    items = value if isinstance(value, list) else [value]
    return frozenset(item for item in items if isinstance(item, str))


def subject_of(claims: Mapping[str, Any]) -> str:
    """`sub`: 1 to 255 printable ASCII characters (OpenID Connect Core, section 2). Raises InvalidToken."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_subject(subject):
        raise InvalidToken(f"the subject is not 1 to {MAX_SUBJECT_LENGTH} printable ASCII characters")
    return subject


def is_subject(text: str) -> bool:
    return 0 < len(text) <= MAX_SUBJECT_LENGTH and text.isascii() and text.isprintable()
