"""Who asks: a service with a key or a token of its own, or a person with an access token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dte.alise import wire
from dte.alise.core import Core
from dte.alise.providers import Provider
from dte.identity import InvalidToken
from dte.identity.tokens import is_jwt

MAX_KEY_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Credential:
    """What a service sent; `is_token` for an access token, else an API key."""

    value: str = field(repr=False)
    is_token: bool


class Unproven(Exception):
    """Whoever asks did not prove who it is; `answer` says so in the words of the contract."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def credential_of(request: Request) -> Credential | None:
    """Query `apikey` (upstream's way), header X-API-Key, or bearer key or token; None when there is none."""
    key = request.query_params.get("apikey") or request.headers.get("x-api-key")
    if key is not None:
        return Credential(key[:MAX_KEY_LENGTH], is_token=False)
    bearer = bearer_of(request)
    return None if bearer is None else Credential(bearer, is_token=is_jwt(bearer))


def bearer_of(request: Request) -> str | None:
    """The token of the Authorization header; None without one (RFC 6750, section 2.1)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" and value.strip() else None


async def service_of_token(core: Core, site: Provider, token: str) -> str:
    """The name of a service that shows an access token. Raises Unproven."""
    if core.service_tokens is None:
        raise Unproven(wire.unauthenticated("This ALISE accepts API keys only"))
    try:
        claims = await core.service_tokens.verify(token)
    except InvalidToken as error:
        raise Unproven(wire.unauthenticated(_reason(error))) from error
    name = core.is_service(site, claims)
    if name is None:
        raise Unproven(wire.forbidden("This service is not on the site's list"))
    return name


async def person_of_token(core: Core, token: str) -> Mapping[str, Any]:
    """Verified claims of a person's access token. Raises Unproven."""
    try:
        return await core.user_tokens.verify(token)
    except InvalidToken as error:
        raise Unproven(wire.unauthenticated(_reason(error))) from error


def _reason(error: InvalidToken) -> str:
    """Upstream's texts; ours say why in the log alone, as a caller may not learn what would have passed."""
    text = str(error)
    return text if text.startswith("Issuer is not trusted") else "User identity could not be determined"
