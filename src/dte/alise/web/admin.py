"""The administrator's pages of a site: links, keys, audit. For sessions that proved the entitlement at their login."""

import contextlib
from typing import Any

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dte.alise import audit, keys, links
from dte.alise.core import Core
from dte.alise.making import make_key
from dte.alise.providers import Provider
from dte.alise.records import Identity
from dte.alise.web.visitor import Visitor, see, sent_by, visitor_of
from dte.runtime.errors import Conflict, Malformed, NotFound
from dte.runtime.web.pages import Pages

MAX_WORDS = 200
MAX_DAYS = 36500


class AdminPages:
    """The handlers. Raise HTTPException 403 for whoever is no administrator of the site."""

    def __init__(self, core: Core, pages: Pages) -> None:
        self._core = core
        self._pages = pages

    async def links(self, request: Request, site: str, q: str = "") -> Response:
        """Accounts and their identities, the newest logins first, or those that hold the words."""
        provider, visitor = await self._administrator(request, site)
        if visitor is None:
            return _to_login(provider, "admin")
        words = q[:MAX_WORDS].strip()
        found = await self._core.read(lambda connection: links.search(connection, provider.name, words))
        names = {item.issuer: item.display_name for item in self._core.providers.external()}
        return self._page("admin_links.html", provider, visitor, mappings=found, words=words, names=names)

    async def unlink(self, request: Request, site: str) -> Response:
        """Take an identity from an account."""
        provider, visitor, form = await self._sent(request, site)
        account_id, identity_id = _number(form, "account"), _number(form, "identity")
        now = self._core.now

        def work(connection: Connection) -> Identity:
            account = links.account_by_id(connection, account_id)
            if account is None or account.site != provider.name:
                raise NotFound("this site has no such account")
            gone = links.unlink(connection, account_id, identity_id)
            origin = _origin(request, provider, visitor)
            audit.record(connection, origin, "unlink", f"{gone.issuer} {gone.subject} of {account.subject}", now)
            return gone

        await self._core.write(work)
        return see(f"/{provider.name}/admin")

    async def keys(self, request: Request, site: str) -> Response:
        """The keys of the site."""
        provider, visitor = await self._administrator(request, site)
        if visitor is None:
            return _to_login(provider, "admin/keys")
        return await self._key_page(provider, visitor)

    async def create_key(self, request: Request, site: str) -> Response:
        """Make a key; its page is the only one that ever shows it."""
        provider, visitor, form = await self._sent(request, site)
        name = "".join(char for char in form.get("name", "") if char.isprintable()).strip()[:255]
        if not name:
            raise HTTPException(400, "Give the key a name: what is it for?")
        days = _number(form, "days") if form.get("days") else 0
        if days > MAX_DAYS:
            raise HTTPException(400, f"A key lives at most {MAX_DAYS} days")
        key = await make_key(self._core, _origin(request, provider, visitor), name=name, lifetime_days=days)
        return await self._key_page(provider, visitor, made=(name, key))

    async def revoke_key(self, request: Request, site: str) -> Response:
        """Make a key useless from now on."""
        provider, visitor, form = await self._sent(request, site)
        key_id, now = _number(form, "key"), self._core.now

        def work(connection: Connection) -> None:
            key = keys.revoke_key(connection, provider.name, key_id, now)
            audit.record(connection, _origin(request, provider, visitor), "key_revoke", f"key {key.id} {key.name}", now)

        with contextlib.suppress(Conflict):  # a second click; it is revoked
            await self._core.write(work)
        return see(f"/{provider.name}/admin/keys")

    async def audit(self, request: Request, site: str, q: str = "") -> Response:
        """Who changed what, the newest first."""
        provider, visitor = await self._administrator(request, site)
        if visitor is None:
            return _to_login(provider, "admin/audit")
        words = q[:MAX_WORDS].strip()
        found = await self._core.read(lambda connection: audit.entries(connection, provider.name, words))
        return self._page("admin_audit.html", provider, visitor, entries=found, words=words)

    async def _key_page(self, site: Provider, visitor: Visitor, made: tuple[str, str] | None = None) -> Response:
        found = await self._core.read(lambda connection: keys.list_keys(connection, site.name))
        return self._page("admin_keys.html", site, visitor, keys=found, made=made, now=self._core.now)

    def _page(self, template: str, site: Provider, visitor: Visitor, **values: Any) -> Response:
        return self._pages.page(template, site=site, visitor=visitor, **values)

    async def _administrator(self, request: Request, name: str) -> tuple[Provider, Visitor | None]:
        """The site and its administrator; None for a browser that is not logged in."""
        site = self._core.providers.site(name)
        if site is None:
            raise HTTPException(404)
        visitor = await visitor_of(self._core, request, site)
        if visitor is not None and not visitor.session.is_admin:
            raise HTTPException(
                403, "This page is for administrators of the site. If you are one, log out and in again."
            )
        return site, visitor

    async def _sent(self, request: Request, name: str) -> tuple[Provider, Visitor, dict[str, str]]:
        site, visitor = await self._administrator(request, name)
        if visitor is None:
            raise HTTPException(401, "Your login has ended. Log in again, then repeat what you did.")
        try:
            return site, visitor, await sent_by(request, visitor.session)
        except Malformed as error:
            raise HTTPException(403, f"Refused: {error}") from error


def _to_login(site: Provider, page: str) -> Response:
    return see(f"/oauth2/{site.name}/authorize?next={page}", status=307)


def _number(form: dict[str, str], name: str) -> int:
    text = form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise HTTPException(400, f"The form has no number {name}")
    return int(text)


def _origin(request: Request, site: Provider, visitor: Visitor) -> audit.Origin:
    actor = f"{visitor.account.issuer} {visitor.account.subject}"
    return audit.Origin(site.name, actor, request.state.client_address, request.state.request_id)
