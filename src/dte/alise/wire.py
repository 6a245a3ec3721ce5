"""The JSON of ALISE's interface (docs/wire/alise.md): bodies of answers and of errors, byte for byte. Pure."""

from typing import Any

import msgspec
from starlette.responses import Response

from dte import __version__
from dte.alise.providers import Provider, Providers
from dte.alise.records import Account, Identity, Mapping

ANSWER_HEADERS = {"Cache-Control": "private, max-age=60", "x-alise-version": __version__}
BEARER = {"WWW-Authenticate": "Bearer"}
INVALID_TOKEN = {"WWW-Authenticate": 'Bearer error="invalid_token"'}

_encode = msgspec.json.Encoder().encode


class Json(Response):
    """JSON encoded by msgspec."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _encode(content)


def mapping_body(mapping: Mapping, site: Provider, providers: Providers) -> dict[str, Any]:
    """The account and all its external identities; `iss` as the configuration spells it.

    Identities of a provider that is no longer configured are left out: the site trusts it no more.
    """
    named = {provider.issuer: provider.op_url for provider in providers.external()}
    external = [_external(item, named[item.issuer]) for item in mapping.identities if item.issuer in named]
    return {"internal": _internal(mapping.account, site), "external": external}


def _internal(account: Account, site: Provider) -> dict[str, Any]:
    body: dict[str, Any] = {
        "sub": account.subject,
        "iss": site.op_url,
        "username": account.username,
        "last_seen": account.last_seen,
        "display_name": account.display_name,
    }
    if site.settings.uid_claim:
        body["uid"] = account.uid
    if site.settings.gid_claim:
        body["gid"] = account.gid
    return body


def _external(identity: Identity, op_url: str) -> dict[str, Any]:
    return {
        "sub": identity.subject,
        "iss": op_url,
        "last_seen": identity.last_seen,
        "display_name": identity.display_name,
    }


def supported_issuers_body(providers: Providers) -> dict[str, Any]:
    return {
        "supported_issuers": {
            "internal": [{"name": item.name, "iss": item.op_url} for item in providers.sites()],
            "external": [{"name": item.name, "iss": item.op_url} for item in providers.external()],
        }
    }


def not_found() -> Response:
    return Json({"detail": "Not Found"}, 404)


def key_missing() -> Response:
    """In the words of FastAPI's validation."""
    item = {"type": "missing", "loc": ["query", "apikey"], "msg": "Field required", "input": None}
    return Json({"detail": [item]}, 422)


def key_invalid() -> Response:
    return Json({"detail": [{"msg": "invalid apikey", "type": "invalid"}]}, 401)


def not_mapped() -> Response:
    return Json({"detail": [{"msg": "no such user", "type": "not-mapped"}]}, 401)


def too_many() -> Response:
    return Json({"detail": "Too many requests: try again later"}, 429, headers={"Retry-After": "60"})


def error(status: int, text: str, *, headers: dict[str, str] | None = None) -> Response:
    return Json({"error": text}, status, headers=headers)


def unauthenticated(text: str) -> Response:
    return Json({"error": "Unauthenticated", "error_description": text}, 401, headers=INVALID_TOKEN)


def forbidden(text: str) -> Response:
    return Json({"error": "Forbidden", "error_description": text}, 403)
