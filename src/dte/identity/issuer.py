"""One OpenID provider: its metadata and signing keys, fetched when first needed and without any other's fate."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from dte.identity.http import JsonClient
from dte.identity.refreshed import Refreshed
from dte.runtime.errors import BadOutput

UNKNOWN_KEY_INTERVAL_S = 30.0
"""An unknown key id makes us look again, at most this often: callers choose key ids."""
KEY_TYPE_OF_ALGORITHM = {
    "RS256": RSAKey, "PS256": RSAKey, "ES256": ECKey, "ES384": ECKey, "EdDSA": OKPKey, "Ed25519": OKPKey,
}  # fmt: skip
"""All that may ever be configured; no HMAC, whose key would be public, and no `none`."""


def canonical_issuer(issuer: str) -> str:
    """Without the one trailing slash about which tokens, configurations and documents disagree."""
    return issuer.removesuffix("/")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we use of OpenID Connect Discovery 1.0, section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    introspection_endpoint: str | None
    token_endpoint_auth_methods: tuple[str, ...]
    iss_parameter_supported: bool
    """RFC 9207: answers of the authorization endpoint carry `iss`."""


def parse_metadata(raw: Mapping[str, Any], issuer: str) -> Metadata:
    """Raises BadOutput when the document is another issuer's, or lacks what a login needs."""
    if not isinstance(raw.get("issuer"), str) or canonical_issuer(raw["issuer"]) != canonical_issuer(issuer):
        raise BadOutput(f"the discovery document of {issuer} says that it is of {str(raw.get('issuer'))[:200]!r}")
    methods = raw.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        issuer=raw["issuer"],
        authorization_endpoint=_endpoint(raw, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(raw, "token_endpoint", issuer),
        jwks_uri=_endpoint(raw, "jwks_uri", issuer),
        userinfo_endpoint=_optional_endpoint(raw, "userinfo_endpoint", issuer),
        introspection_endpoint=_optional_endpoint(raw, "introspection_endpoint", issuer),
        token_endpoint_auth_methods=tuple(item for item in methods if isinstance(item, str))
        if isinstance(methods, list)
        else (),
        iss_parameter_supported=raw.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(raw: Mapping[str, Any], name: str, issuer: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or urlsplit(value).scheme != "https" or not urlsplit(value).hostname:
        raise BadOutput(f"the discovery document of {issuer} has no https {name}")
    return value


def _optional_endpoint(raw: Mapping[str, Any], name: str, issuer: str) -> str | None:
    return _endpoint(raw, name, issuer) if raw.get(name) is not None else None


def parse_keys(raw: Mapping[str, Any]) -> tuple[Key, ...]:
    """The signing keys of a JWK set (RFC 7517). One that we cannot read is left out: others may still serve."""
    items = raw.get("keys")
    if not isinstance(items, list):
        raise BadOutput("the key set has no list of keys")
    found = []
    for item in items:
        if not isinstance(item, dict) or item.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(item)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, (RSAKey, ECKey, OKPKey)):
            found.append(key)
    return tuple(found)


def choose_key(keys: Iterable[Key], kid: str | None, algorithm: str) -> Key | None:
    """The key named `kid` of the algorithm's type; without a name the only one of that type."""
    kind = KEY_TYPE_OF_ALGORITHM.get(algorithm)
    fitting = [key for key in keys if kind is not None and isinstance(key, kind)]
    named = [key for key in fitting if kid is None or key.kid == kid]
    return named[0] if len(named) == 1 else None


class Issuer:
    """`issuer` as configured; the discovery address is made from it unless one is given."""

    def __init__(
        self,
        issuer: str,
        client: JsonClient,
        *,
        discovery_url: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._client = client
        self._discovery_url = discovery_url or canonical_issuer(issuer) + "/.well-known/openid-configuration"
        self._clock = clock
        self._metadata = Refreshed(f"metadata of {issuer}", self._fetch_metadata, clock=clock)
        self._keys = Refreshed(f"keys of {issuer}", self._fetch_keys, clock=clock)
        self._looked_again_at = float("-inf")

    async def metadata(self) -> Metadata:
        """Raises Unavailable or BadOutput when the provider cannot be asked now."""
        return await self._metadata.get()

    async def key(self, kid: str | None, algorithm: str) -> Key | None:
        """None when the issuer has no such key, also after a second look. Raises Unavailable, BadOutput."""
        keys = await self._keys.get()
        found = choose_key(keys, kid, algorithm)
        now = self._clock()
        if found is not None or now - self._looked_again_at < UNKNOWN_KEY_INTERVAL_S:
            return found
        self._looked_again_at = now
        return choose_key(await self._keys.renewed(since=now), kid, algorithm)

    async def userinfo(self, access_token: str) -> dict[str, Any] | None:
        """Claims of whoever the token stands for; None when the issuer has no such endpoint or refuses the token."""
        endpoint = (await self.metadata()).userinfo_endpoint
        if endpoint is None:
            return None
        answer = await self._client.get(endpoint, headers={"Authorization": f"Bearer {access_token}"})
        return answer.body if answer.status == 200 else None

    async def _fetch_metadata(self) -> Metadata:
        answer = await self._client.get(self._discovery_url)
        if answer.status != 200:
            raise BadOutput(f"the discovery document of {self.issuer} is not there ({answer.status})")
        return parse_metadata(answer.body, self.issuer)

    async def _fetch_keys(self) -> tuple[Key, ...]:
        answer = await self._client.get((await self.metadata()).jwks_uri)
        if answer.status != 200:
            raise BadOutput(f"the key set of {self.issuer} is not there ({answer.status})")
        return parse_keys(answer.body)
