"""The token that proves a login (OpenID Connect Core 1.0, section 3.1.3.7)."""

import hmac
from collections.abc import Collection
from typing import Any

from dte.identity.errors import InvalidToken
from dte.identity.issuer import Issuer, canonical_issuer
from dte.identity.tokens import DEFAULT_ALGORITHMS, audiences, check_times, peek, subject_of, verified_claims


async def verify_id_token(
    token: str,
    issuer: Issuer,
    *,
    client_id: str,
    nonce: str,
    now: float,
    algorithms: Collection[str] = DEFAULT_ALGORITHMS,
) -> dict[str, Any]:
    """The claims of an id_token made for us, for this login. Raises InvalidToken, or Unavailable without keys."""
    raw = peek(token)
    if canonical_issuer(raw.issuer) != canonical_issuer(issuer.issuer):
        raise InvalidToken("the id_token is of another issuer")
    if raw.algorithm not in algorithms:
        raise InvalidToken(f"the id_token is signed with {raw.algorithm[:20]}, which is not accepted")
    key = await issuer.key(raw.kid, raw.algorithm)
    if key is None:
        raise InvalidToken("the id_token is signed with a key that its issuer does not publish")
    claims = verified_claims(token, key, [raw.algorithm])
    check_times(claims, now)
    found = audiences(claims)
    if client_id not in found or (len(found) > 1 and claims.get("azp") != client_id):
        raise InvalidToken("the id_token is made for another client")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise InvalidToken("the id_token belongs to another login")
    subject_of(claims)
    return claims
