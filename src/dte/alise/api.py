"""The JSON routes, under `/api/v1`. Paths arrive raw: a segment is decoded here, never before it is split."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import structlog
from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from dte import __version__
from dte.alise import audit, keys, links, wire
from dte.alise.core import Core
from dte.alise.credentials import Unproven, bearer_of, credential_of, person_of_token, service_of_token
from dte.alise.encoding import issuer_in, split_identity, subject_candidates
from dte.alise.making import make_key
from dte.alise.providers import Provider
from dte.alise.rate import RateLimit
from dte.alise.records import Mapping
from dte.identity import canonical_issuer
from dte.identity.tokens import is_jwt

log = structlog.get_logger()

PREFIX = "/api/v1"
LookUp = Callable[[Connection], Mapping | None]


class Api:
    """The handlers. All answers are Response objects: bodies are fixed by contract, not by models."""

    def __init__(self, core: Core) -> None:
        self._core = core
        # The oracle without authentication, and whoever guesses keys: a good key is never slowed down.
        self._validations = RateLimit(burst=20, per_s=0.2)
        self._wrong_keys = RateLimit(burst=100, per_s=1.0)

    async def mapping(self, request: Request) -> Response:
        """The account that an external identity is linked to."""
        # Taken from the request rather than declared: the framework's checks of them take as long as the look-up.
        site, iss, sub = (request.path_params[name] for name in ("site", "iss", "sub"))
        issuer = issuer_in(iss, self._core.providers.digests)
        return await self._look_up(request, site, issuer, sub, with_internal=False)

    async def get_mappings(self, request: Request, site: str, identity: str) -> Response:
        """Deprecated spelling of `mapping`, `SUB@ISS`; finds internal identities too."""
        parts = split_identity(identity)
        if parts is None:
            return wire.not_found()
        issuer = issuer_in(parts[1], self._core.providers.all_digests)
        return await self._look_up(request, site, issuer, parts[0], with_internal=True)

    async def _look_up(
        self, request: Request, site_name: str, issuer: str | None, sub: str, *, with_internal: bool
    ) -> Response:
        credential = credential_of(request)
        if credential is None:
            return wire.key_missing()
        site = self._site(site_name)
        if site is None:
            return wire.not_found()
        subjects = subject_candidates(sub)
        find = self._finder(site, issuer, subjects, with_internal=with_internal)
        try:
            if credential.is_token:
                service = await service_of_token(self._core, site, credential.value)
                mapping = await self._core.read(find)
            else:
                service, mapping = await self._with_key(
                    request, site, credential.value, issuer, subjects, with_internal=with_internal
                )
        except Unproven as unproven:
            return unproven.answer
        except links.Ambiguous as error:
            log.warning("subject_ambiguous", site=site.name, issuer=issuer, error=str(error))
            return wire.not_mapped()
        found = None if mapping is None else mapping.account.subject
        request.state.facts.update(
            audit.lookup_facts(
                site=site.name,
                service=service,
                issuer=issuer or "unknown",
                subject=next(iter(subjects), ""),
                found=found,
            )
        )
        return wire.not_mapped() if mapping is None else self._answer(mapping, site)

    def _finder(self, site: Provider, issuer: str | None, subjects: tuple[str, ...], *, with_internal: bool) -> LookUp:
        def find(connection: Connection) -> Mapping | None:
            if issuer is None or not subjects:
                return None
            found = links.find_by_external(
                connection, site=site.name, site_issuer=site.issuer, issuer=issuer, subjects=subjects
            )
            if found is None and with_internal and issuer == site.issuer:
                return links.find_by_internal(connection, site=site.name, issuer=issuer, subjects=subjects)
            return found

        return find

    async def _with_key(
        self,
        request: Request,
        site: Provider,
        key: str,
        issuer: str | None,
        subjects: tuple[str, ...],
        *,
        with_internal: bool,
    ) -> tuple[str, Mapping | None]:
        """Check the key and look up. Raises Unproven."""
        digest = self._core.key_hash.digest(key)
        now = self._core.clock()

        known = await links.find_with_key(
            self._core.database,
            digest,
            now,
            site=site.name,
            site_issuer=site.issuer,
            issuer=issuer or "",
            subjects=subjects,
        )
        if known is None:
            if not self._wrong_keys.take(request.state.client_address):
                raise Unproven(wire.too_many())
            raise Unproven(wire.key_invalid())
        self._core.key_was_used(known.key_id)
        mapping = known.mapping
        if mapping is None and with_internal:
            mapping = await self._core.read(self._finder(site, issuer, subjects, with_internal=True))
        return f"key {known.key_id} {known.key_name}", mapping

    async def all_my_mappings(self, request: Request, site: str) -> Response:
        """What is linked to the owner of the bearer token, an external or an internal identity."""
        token = bearer_of(request)
        if token is None:
            return wire.error(401, "No authorization header", headers=wire.BEARER)
        provider = self._site(site)
        if provider is None:
            return wire.error(404, "Invalid site name")
        try:
            claims = await person_of_token(self._core, token)
        except Unproven as unproven:
            return unproven.answer
        issuer = canonical_issuer(str(claims["iss"]))
        find = self._finder(provider, issuer, (str(claims["sub"]),), with_internal=True)
        mapping = await self._core.read(find)
        return wire.error(404, "No IDs linked") if mapping is None else self._answer(mapping, provider)

    async def get_apikey(self, request: Request, site: str, name: str = "") -> Response:
        """Make a key for a service; the caller needs the administrator's entitlement. `name` is the service's."""
        token = bearer_of(request)
        if token is None:
            return wire.unauthenticated("No authorization header")
        provider = self._site(site)
        if provider is None:
            return wire.not_found()
        if not is_jwt(token):
            return wire.Json({"detail": "The access token is not a JSON Web Token of a configured provider"}, 400)
        try:
            claims = await person_of_token(self._core, token)
        except Unproven as unproven:
            return unproven.answer
        if not await self._core.is_administrator(provider, claims, token):
            return wire.Json({"detail": "Not authorised"}, 401)
        actor = f"{claims['iss']} {claims['sub']}"
        origin = audit.Origin(provider.name, actor, request.state.client_address, request.state.request_id)
        named = _name(name) or f"made by {claims.get('email') or claims['sub']}"
        days = self._core.settings.server.key_lifetime_days
        key = await make_key(self._core, origin, name=named, lifetime_days=days)
        return wire.Json({"apikey": key}, headers={"Cache-Control": "no-store"})

    async def validate_apikey(self, request: Request, site: str, apikey: str) -> Response:
        """Is this a good key? Without authentication, and so a few times a minute only."""
        provider = self._site(site)
        if provider is None:
            return wire.not_found()
        if not self._validations.take(request.state.client_address):
            return wire.too_many()
        digest = self._core.key_hash.digest(unquote(apikey)[:512])
        now = self._core.clock()
        known = await self._core.read(lambda connection: keys.find_key(connection, provider.name, digest, now))
        return wire.Json({"apikey": known is not None}, headers={"Cache-Control": "no-store"})

    async def authenticated(self, request: Request) -> Response:
        """Is the bearer token good?"""
        token = bearer_of(request)
        if token is None:
            return wire.Json({"detail": "Not authenticated"}, 401, headers=wire.BEARER)
        try:
            await person_of_token(self._core, token)
        except Unproven as unproven:
            return unproven.answer
        return wire.Json("This worked: there was a valid login")

    async def supported_issuers(self) -> Response:
        """The providers whose identities can be linked, and the sites."""
        return wire.Json(wire.supported_issuers_body(self._core.providers))

    async def version(self) -> Response:
        """Of this server."""
        return wire.Json(__version__)

    def _site(self, raw: str) -> Provider | None:
        return self._core.providers.site(unquote(raw))

    def _answer(self, mapping: Mapping, site: Provider) -> Response:
        return wire.Json(wire.mapping_body(mapping, site, self._core.providers), headers=wire.ANSWER_HEADERS)


def _parameter(place: str, name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"in": place, "name": name, "required": place == "path", "schema": schema, "description": description}


MAPPING_PARAMETERS = [
    _parameter("path", "site", "Name of an internal provider."),
    _parameter("path", "iss", "Issuer: SHA-1 in hexadecimal digits, or percent-encoded once or twice."),
    _parameter("path", "sub", "Subject, percent-encoded once or twice."),
    _parameter("query", "apikey", "Key of the service. Better: header X-API-Key or Authorization."),
]


def _name(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:255].strip()


def api_router(api: Api) -> APIRouter:
    """The routes in the order in which they are tried."""
    router = APIRouter(prefix=PREFIX)
    target = "/target/{site}"
    router.add_api_route(
        f"{target}/mapping/issuer/{{iss}}/user/{{sub}}", api.mapping, openapi_extra={"parameters": MAPPING_PARAMETERS}
    )
    router.add_api_route(f"{target}/get_apikey", api.get_apikey)
    router.add_api_route(f"{target}/validate_apikey/{{apikey}}", api.validate_apikey)
    router.add_api_route("/authenticated", api.authenticated)
    router.add_api_route("/alise/supported_issuers", api.supported_issuers)
    router.add_api_route("/version", api.version)
    router.add_api_route("/{site}/get_mappings/{identity}", api.get_mappings, deprecated=True)
    router.add_api_route("/{site}/all_my_mappings_raw", api.all_my_mappings)
    return router
