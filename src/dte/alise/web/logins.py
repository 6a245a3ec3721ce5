"""Logins: a browser is sent to a provider, comes back once, and is then somebody."""

from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dte.alise import audit, links, sessions
from dte.alise.claims import person_from
from dte.alise.core import Core, administers, entitled
from dte.alise.providers import Provider
from dte.alise.rate import RateLimit
from dte.alise.records import Account, Person
from dte.alise.sessions import PENDING_LIFE_S, Pending, Session
from dte.alise.web.visitor import base_url, give_cookie, see, session_of
from dte.identity import InvalidToken
from dte.runtime.errors import BadOutput, Conflict, Unavailable

log = structlog.get_logger()

NO_CODE = "'code' parameter was not found in callback request"
WRONG_STATE = "'state' parameter does not match"


class Logins:
    """Both ends of the way to a provider."""

    def __init__(self, core: Core) -> None:
        self._core = core
        # A class of a hundred behind one address logs in and links within minutes; rows are what is bounded.
        self._starts = RateLimit(burst=300, per_s=5.0)

    async def start(
        self, request: Request, provider: Provider, site: Provider, *, purpose: str, return_to: str
    ) -> Response:
        """Send the browser to `provider`; what it brings back is for `site`."""
        if not self._starts.take(request.state.client_address):
            raise HTTPException(429, "Too many logins begun: try again in a minute")
        try:
            started = await self._core.flows[provider.name].start(self._redirect_uri(request, provider))
        except (Unavailable, BadOutput) as error:
            log.warning("provider_failed", provider=provider.name, error=str(error))
            raise HTTPException(
                503, f"{provider.display_name} cannot be reached now. Please try again later."
            ) from error
        session = await session_of(self._core, request)
        pending = Pending(provider.name, site.name, purpose, started.nonce, started.verifier, return_to)
        now = self._core.now

        def work(connection: Connection) -> str | None:
            if session is not None:
                sessions.put_pending(connection, session, started.state, pending, now)
                return None
            token, made = sessions.new_session(connection, now=now, life_s=PENDING_LIFE_S)
            sessions.put_pending(connection, made, started.state, pending, now)
            return token

        token = await self._core.write(work)
        response = see(started.url)
        return response if token is None else give_cookie(response, token, PENDING_LIFE_S)

    async def finish(self, request: Request, provider: Provider) -> Response:
        """The callback. Raises HTTPException with the contract's status and text."""
        query = request.query_params
        code, state = query.get("code", ""), query.get("state", "")
        if not code and not query.get("error"):
            raise HTTPException(400, NO_CODE)
        session = await session_of(self._core, request)
        now = self._core.now
        pending = None
        if session is not None and state:
            mine = session
            pending = await self._core.write(
                lambda connection: sessions.take_pending(connection, mine, state, provider.name, now)
            )
        if session is None or pending is None:
            raise HTTPException(400, WRONG_STATE)
        if not code:
            raise HTTPException(400, _provider_error(provider, query))
        claims = await self._claims(request, provider, pending, code)
        try:
            person = person_from(claims, provider)
        except InvalidToken as error:
            raise HTTPException(401, str(error)) from error
        if pending.purpose == "link":
            return await self._link(request, session, person, pending)
        return await self._log_in(request, session, provider, person, claims, pending)

    async def _claims(self, request: Request, provider: Provider, pending: Pending, code: str) -> Mapping[str, Any]:
        flow = self._core.flows[provider.name]
        try:
            await flow.check_answer(request.query_params.get("iss"))
            return await flow.finish(
                code,
                verifier=pending.verifier,
                nonce=pending.nonce,
                redirect_uri=self._redirect_uri(request, provider),
                now=self._core.clock(),
            )
        except InvalidToken as error:
            log.warning("login_refused", provider=provider.name, error=str(error))
            raise HTTPException(401, str(error)) from error
        except (Unavailable, BadOutput) as error:
            log.warning("provider_failed", provider=provider.name, error=str(error))
            raise HTTPException(503, f"{provider.display_name} did not finish the login. Please try again.") from error

    async def _log_in(
        self,
        request: Request,
        session: Session,
        site: Provider,
        person: Person,
        claims: Mapping[str, Any],
        pending: Pending,
    ) -> Response:
        """A new session, so that a name known before the login opens nothing after it."""
        now, life_s = self._core.now, self._core.settings.server.session_lifetime_s
        is_admin = administers(site, site) and entitled(site, claims)
        origin = _origin(request, site.name, f"{person.issuer} {person.subject}")

        def work(connection: Connection) -> str:
            account_id = links.record_account(connection, site.name, person, now)
            sessions.end_session(connection, session.digest)
            token, _ = sessions.new_session(
                connection, now=now, life_s=life_s, account_id=account_id, is_admin=is_admin
            )
            audit.record(connection, origin, "login", person.username or person.subject, now)
            return token

        token = await self._core.write(work)
        return give_cookie(see(pending.return_to), token, life_s)

    async def _link(self, request: Request, session: Session, person: Person, pending: Pending) -> Response:
        site = self._core.providers.site(pending.site)
        account_id = session.account_id
        if site is None or account_id is None:
            raise HTTPException(401, "Log in with your account of the facility first")
        now = self._core.now

        def work(connection: Connection) -> Conflict | None:
            account = links.account_by_id(connection, account_id)
            if account is None or account.site != site.name:
                raise HTTPException(401, "Log in with your account of the facility first")
            return _linked(connection, _origin(request, site.name, _name(account)), account, person, now)

        conflict = await self._core.write(work)
        if conflict is not None:
            raise HTTPException(409, str(conflict))
        return see(pending.return_to)

    def _redirect_uri(self, request: Request, provider: Provider) -> str:
        return f"{base_url(self._core, request)}/oauth2/{provider.name}/token"


def _linked(
    connection: Connection, origin: audit.Origin, account: Account, person: Person, now: int
) -> Conflict | None:
    """Link and write it down; a conflict is written down too, and returned so that it stays written."""
    name = f"{person.issuer} {person.subject}"
    try:
        if links.link(connection, account, person, now):
            audit.record(connection, origin, "link", name, now)
    except Conflict as error:
        audit.record(connection, origin, "link_refused", name, now)
        return error
    return None


def _name(account: Account) -> str:
    return f"{account.issuer} {account.subject}"


def _origin(request: Request, site: str, actor: str) -> audit.Origin:
    return audit.Origin(site, actor, request.state.client_address, request.state.request_id)


def _provider_error(provider: Provider, query: Mapping[str, str]) -> str:
    """The provider's own words (RFC 6749, section 4.1.2.1), which a page escapes."""
    words = query.get("error", "")[:100]
    if query.get("error_description"):
        words = f"{words} ({query['error_description'][:300]})"
    return f"{provider.display_name} did not log you in: {words}"
