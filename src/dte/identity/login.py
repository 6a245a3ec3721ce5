"""A browser's login at a provider: authorization code flow with PKCE, state and nonce (OpenID Connect Core, 3.1)."""

import base64
import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from dte.identity.errors import InvalidToken
from dte.identity.http import JsonAnswer, JsonClient
from dte.identity.id_token import verify_id_token
from dte.identity.issuer import Issuer, Metadata
from dte.identity.tokens import DEFAULT_ALGORITHMS
from dte.runtime.errors import BadOutput

RANDOM_BYTES = 32
MAX_CODE_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class Client:
    """What we are at a provider."""

    client_id: str
    secret: str = field(repr=False)
    auth_method: str = ""
    """`client_secret_basic`, `client_secret_post`, or empty: what the provider announces, Basic first."""

    def proof(self, announced: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form fields that prove it, in one way and never in two (RFC 6749, section 2.3)."""
        method = self.auth_method
        if not method:
            only_post = "client_secret_basic" not in announced and "client_secret_post" in announced
            method = "client_secret_post" if only_post else "client_secret_basic"
        if not self.secret:
            return {}, {"client_id": self.client_id}
        if method == "client_secret_post":
            return {}, {"client_id": self.client_id, "client_secret": self.secret}
        # Form-encoded before Base64: section 2.3.1, which many forget.
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}, {}


@dataclass(frozen=True, slots=True)
class Started:
    """A login that a browser was sent on; all but `url`, which holds the state, stays with us."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class CodeFlow:
    """Logins of one client at one issuer."""

    def __init__(
        self,
        issuer: Issuer,
        http: JsonClient,
        client: Client,
        *,
        scopes: Collection[str],
        algorithms: Collection[str] = DEFAULT_ALGORITHMS,
    ) -> None:
        self.issuer = issuer
        self._http = http
        self._client = client
        self._scopes = " ".join(dict.fromkeys(["openid", *scopes]))
        self._algorithms = tuple(algorithms)

    async def start(self, redirect_uri: str) -> Started:
        """Raises Unavailable or BadOutput when the provider cannot be asked for its addresses."""
        metadata = await self.issuer.metadata()
        state, nonce, verifier = (secrets.token_urlsafe(RANDOM_BYTES) for _ in range(3))
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge(verifier),
            "code_challenge_method": "S256",
        }
        separator = "&" if "?" in metadata.authorization_endpoint else "?"
        return Started(metadata.authorization_endpoint + separator + urlencode(query), state, nonce, verifier)

    async def check_answer(self, iss: str | None) -> None:
        """The `iss` of a callback (RFC 9207): there if promised, and the one that was asked. Raises InvalidToken."""
        metadata = await self.issuer.metadata()
        if iss is None and metadata.iss_parameter_supported:
            raise InvalidToken("the provider's answer does not say whose it is")
        if iss is not None and iss != metadata.issuer:
            raise InvalidToken("the answer is another provider's")

    async def finish(self, code: str, *, verifier: str, nonce: str, redirect_uri: str, now: float) -> dict[str, Any]:
        """The claims of whoever logged in: those of the id_token, with those of userinfo over them.

        Raises InvalidToken for a proof that does not hold, Unavailable and BadOutput.
        """
        metadata = await self.issuer.metadata()
        headers, proof = self._client.proof(metadata.token_endpoint_auth_methods)
        form = {
            "grant_type": "authorization_code",
            "code": code[:MAX_CODE_LENGTH],
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            **proof,
        }
        tokens = _tokens(await self._http.post_form(metadata.token_endpoint, form, headers=headers))
        claims = await verify_id_token(
            tokens["id_token"],
            self.issuer,
            client_id=self._client.client_id,
            nonce=nonce,
            now=now,
            algorithms=self._algorithms,
        )
        return {**claims, **await self._userinfo(metadata, tokens, claims)}

    async def _userinfo(
        self, metadata: Metadata, tokens: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        access_token = tokens.get("access_token")
        if metadata.userinfo_endpoint is None or not isinstance(access_token, str):
            return {}
        info = await self.issuer.userinfo(access_token)
        if info is None:
            raise BadOutput("the provider's userinfo endpoint refused the token that it had just given")
        if info.get("sub") != claims["sub"]:
            raise InvalidToken("userinfo is about somebody else than the id_token")
        return {name: value for name, value in info.items() if name not in ("iss", "aud", "exp", "nonce")}

    async def introspect(self, token: str) -> Mapping[str, Any]:
        """What the issuer says of an access token (RFC 7662); empty when it says nothing."""
        metadata = await self.issuer.metadata()
        if metadata.introspection_endpoint is None or not self._client.secret:
            return {}
        headers, proof = self._client.proof(metadata.token_endpoint_auth_methods)
        form = {"token": token, "token_type_hint": "access_token", **proof}
        answer = await self._http.post_form(metadata.introspection_endpoint, form, headers=headers)
        return answer.body if answer.status == 200 and answer.body.get("active") is True else {}


def code_challenge(verifier: str) -> str:
    """RFC 7636, section 4.2, method S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _tokens(answer: JsonAnswer) -> dict[str, Any]:
    body = answer.body if isinstance(answer.body, dict) else {}
    if answer.status != 200:
        error = str(body.get("error", f"status {answer.status}"))[:100]
        raise InvalidToken(f"the provider did not accept the login: {error}")
    if not isinstance(body.get("id_token"), str):
        raise BadOutput("the provider's answer holds no id_token: is scope openid allowed for this client?")
    return body
