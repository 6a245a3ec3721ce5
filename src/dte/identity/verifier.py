"""Access tokens, verified offline: the issuer is checked against our list before anything is fetched."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any

from dte.identity.errors import InvalidToken, UntrustedIssuer
from dte.identity.issuer import Issuer, canonical_issuer
from dte.identity.tokens import DEFAULT_ALGORITHMS, audiences, check_times, peek, subject_of, verified_claims

MAX_CACHED = 10_000
ACCEPTED_TYPES = ("at+jwt", "application/at+jwt", "jwt")


class TokenVerifier:
    """Verifies tokens of `issuers`; `client_ids` are ours there, whose id_tokens are no access tokens.

    `aud` is checked when `audiences` has something: one of the token's must be one of ours.
    """

    def __init__(
        self,
        issuers: Collection[Issuer],
        *,
        audiences: Collection[str] = (),
        client_ids: Collection[str] = (),
        algorithms: Collection[str] = DEFAULT_ALGORITHMS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = {canonical_issuer(issuer.issuer): issuer for issuer in issuers}
        self._audiences = frozenset(audiences)
        self._client_ids = frozenset(client_ids)
        self._algorithms = tuple(algorithms)
        self._clock = clock
        self._cache: OrderedDict[bytes, Mapping[str, Any]] = OrderedDict()

    async def verify(self, token: str) -> Mapping[str, Any]:
        """Claims with a good `iss`, `sub` and `exp`. Raises InvalidToken; Unavailable when keys cannot be had."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._cache.get(digest)
        if known is not None:
            check_times(known, self._clock())
            return known
        claims = await self._verified(token)
        self._cache[digest] = claims
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)
        return claims

    async def _verified(self, token: str) -> Mapping[str, Any]:
        raw = peek(token)
        issuer = self._issuers.get(canonical_issuer(raw.issuer))
        if issuer is None:
            raise UntrustedIssuer(raw.issuer[:2048])
        if raw.algorithm not in self._algorithms:
            raise InvalidToken(f"the token is signed with {raw.algorithm[:20]}, which is not accepted")
        key = await issuer.key(raw.kid, raw.algorithm)
        if key is None:
            raise InvalidToken("the token is signed with a key that its issuer does not publish")
        claims = verified_claims(token, key, [raw.algorithm])
        self._check(raw.raw_header, claims)
        return claims

    def _check(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        check_times(claims, self._clock())
        subject_of(claims)
        kind = header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower() not in ACCEPTED_TYPES:
            raise InvalidToken("the token is of a kind that is no access token")
        meant_for = audiences(claims)
        if ("nonce" in claims or "at_hash" in claims) and meant_for & self._client_ids:
            raise InvalidToken("this is an id_token: send the access token")
        if self._audiences and not meant_for & self._audiences:
            raise InvalidToken("the token is made for another service")
        version = claims.get("wlcg.ver")
        if version is not None and str(version).partition(".")[0] != "1":
            raise InvalidToken("the token is of an unknown version of the WLCG profile")
