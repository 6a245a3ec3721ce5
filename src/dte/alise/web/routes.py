"""The routes of pages: what a person does with links. All changes are POST, with a token of the login's."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dte.alise import audit, links, sessions
from dte.alise.core import Core
from dte.alise.providers import Provider
from dte.alise.records import Identity
from dte.alise.web.admin import AdminPages
from dte.alise.web.logins import Logins
from dte.alise.web.static import static_files
from dte.alise.web.visitor import Visitor, see, sent_by, session_of, take_cookie, visitor_of
from dte.runtime.errors import Malformed
from dte.runtime.web.pages import ICON_PATH, Pages

Handler = Callable[..., Awaitable[Response]]


class UserPages:
    """The handlers. Raise HTTPException, which the application shows as a page or as JSON."""

    def __init__(self, core: Core, pages: Pages, privacy: str) -> None:
        self._core = core
        self._pages = pages
        self._privacy = [paragraph.strip() for paragraph in privacy.split("\n\n") if paragraph.strip()]
        self._logins = Logins(core)
        self._static = static_files(core)

    async def sites(self) -> Response:
        """The list of sites."""
        return self._pages.page("sites.html", sites=self._core.providers.sites())

    async def account(self, request: Request, site: str) -> Response:
        """The account and its links; whoever is not logged in is sent to log in."""
        provider = self._site(site)
        visitor = await visitor_of(self._core, request, provider)
        if visitor is None:
            return see(f"/oauth2/{provider.name}/authorize", status=307)
        mine = await self._identities(visitor)
        external = self._core.providers.external()
        rows = [(item, [found for found in mine if found.issuer == item.issuer]) for item in external]
        return self._pages.page("account.html", site=provider, visitor=visitor, rows=rows, icons=self._icons())

    async def confirm_link(self, request: Request, site: str, provider: str) -> Response:
        """A page that says what linking means; upstream's links to here go on working and change nothing."""
        home, external = self._site(site), self._external(provider)
        visitor = await visitor_of(self._core, request, home)
        if visitor is None:
            return see(f"/oauth2/{home.name}/authorize?next=link/{external.name}", status=307)
        return self._pages.page("link.html", site=home, visitor=visitor, provider=external)

    async def link(self, request: Request, site: str, provider: str) -> Response:
        """Send the browser to the provider, whose identity will be the account's."""
        home, external = self._site(site), self._external(provider)
        await self._checked(request, home)
        return await self._logins.start(request, external, home, purpose="link", return_to=f"/{home.name}")

    async def confirm_unlink(self, request: Request, site: str, provider: str) -> Response:
        """The identities of a provider, each with its button."""
        home, external = self._site(site), self._external(provider)
        visitor = await visitor_of(self._core, request, home)
        if visitor is None:
            return see(f"/oauth2/{home.name}/authorize?next=unlink/{external.name}", status=307)
        mine = [item for item in await self._identities(visitor) if item.issuer == external.issuer]
        return self._pages.page("unlink.html", site=home, visitor=visitor, provider=external, identities=mine)

    async def unlink(self, request: Request, site: str, provider: str) -> Response:
        """Take an identity from the account; services hear of it at their next question."""
        home, external = self._site(site), self._external(provider)
        visitor, form = await self._checked(request, home)
        mine = [item for item in await self._identities(visitor) if item.issuer == external.issuer]
        chosen = [item for item in mine if form.get("identity") in (None, str(item.id))]
        if len(chosen) != 1:  # none, or several and none was named
            return see(f"/{home.name}/unlink/{external.name}")
        actor = f"{visitor.account.issuer} {visitor.account.subject}"
        origin = audit.Origin(home.name, actor, request.state.client_address, request.state.request_id)
        now = self._core.now

        def work(connection: Connection) -> None:
            gone = links.unlink(connection, visitor.account.id, chosen[0].id)
            audit.record(connection, origin, "unlink", f"{gone.issuer} {gone.subject}", now)

        await self._core.write(work)
        return see(f"/{home.name}")

    async def authorize(self, request: Request, provider: str) -> Response:
        """Log in at a site; an external provider is reached from an account's page only."""
        site = self._core.providers.site(provider)
        if site is None:
            self._external(provider)
            raise HTTPException(403, "Log in with your account of the facility first, then link from its page")
        return_to = self._return_path(site, request.query_params.get("next", ""))
        return await self._logins.start(request, site, site, purpose="login", return_to=return_to)

    async def callback(self, request: Request, provider: str) -> Response:
        """Where providers send browsers back to."""
        found = self._core.providers.by_name.get(provider)
        if found is None:
            raise HTTPException(404)
        return await self._logins.finish(request, found)

    async def confirm_logout(self, request: Request) -> Response:
        """A page with the button; without a login there is nothing to end."""
        session = await session_of(self._core, request)
        if session is None:
            return take_cookie(see("/"))
        return self._pages.page("logout.html", csrf=session.csrf)

    async def logout(self, request: Request) -> Response:
        """End the session here. The provider keeps its own."""
        session = await session_of(self._core, request)
        if session is not None:
            await sent_by(request, session)
            await self._core.write(lambda connection: sessions.end_session(connection, session.digest))
        return take_cookie(see("/"))

    async def privacy(self) -> Response:
        """What is stored, and the site's own words."""
        days = self._core.settings.server.session_lifetime_s // 60
        return self._pages.page("privacy.html", paragraphs=self._privacy, session_minutes=days)

    async def favicon(self, request: Request) -> Response:
        return self._file(request, ICON_PATH)

    async def static(self, request: Request, name: str) -> Response:
        return self._file(request, f"/static/{name}")

    def _file(self, request: Request, path: str) -> Response:
        answer = self._static.answer(request, path)
        if answer is None:
            raise HTTPException(404)
        return answer

    async def _checked(self, request: Request, site: Provider) -> tuple[Visitor, dict[str, str]]:
        """Who sends a form, and its fields. Raises HTTPException 401 without a login, 403 for a form not of it."""
        visitor = await visitor_of(self._core, request, site)
        if visitor is None:
            raise HTTPException(401, "Your login has ended. Log in again, then repeat what you did.")
        try:
            return visitor, await sent_by(request, visitor.session)
        except Malformed as error:
            raise HTTPException(403, f"Refused: {error}") from error

    async def _identities(self, visitor: Visitor) -> list[Identity]:
        return await self._core.read(lambda connection: links.identities_of(connection, visitor.account.id))

    def _return_path(self, site: Provider, wanted: str) -> str:
        """Only paths of this list: nobody chooses where a login ends."""
        external = [item.name for item in self._core.providers.external()]
        known = {"admin", "admin/keys", "admin/audit"}
        known |= {f"{verb}/{name}" for verb in ("link", "unlink") for name in external}
        return f"/{site.name}/{wanted}" if wanted in known else f"/{site.name}"

    def _site(self, name: str) -> Provider:
        site = self._core.providers.site(name)
        if site is None:
            raise HTTPException(404)
        return site

    def _external(self, name: str) -> Provider:
        provider = self._core.providers.by_name.get(name)
        if provider is None or provider.is_internal:
            raise HTTPException(404)
        return provider

    def _icons(self) -> frozenset[str]:
        return self._static.names


def page_router(core: Core, pages: Pages, privacy: str) -> APIRouter:
    """Fixed paths first: `/{site}` takes what is left."""
    user, admin = UserPages(core, pages, privacy), AdminPages(core, pages)
    router = APIRouter(include_in_schema=False)

    def add(path: str, handler: Handler, method: str = "GET") -> None:
        router.add_api_route(path, handler, methods=[method], response_class=Response)

    add("/", user.sites)
    add("/privacy.html", user.privacy)
    add("/favicon.ico", user.favicon)
    add("/static/{name}", user.static)
    add("/oauth2/logout", user.confirm_logout)
    add("/oauth2/logout", user.logout, "POST")
    add("/oauth2/{provider}/authorize", user.authorize)
    add("/oauth2/{provider}/token", user.callback)
    add("/{site}/admin", admin.links)
    add("/{site}/admin/unlink", admin.unlink, "POST")
    add("/{site}/admin/keys", admin.keys)
    add("/{site}/admin/keys", admin.create_key, "POST")
    add("/{site}/admin/keys/revoke", admin.revoke_key, "POST")
    add("/{site}/admin/audit", admin.audit)
    add("/{site}/link/{provider}", user.confirm_link)
    add("/{site}/link/{provider}", user.link, "POST")
    add("/{site}/unlink/{provider}", user.confirm_unlink)
    add("/{site}/unlink/{provider}", user.unlink, "POST")
    add("/{site}", user.account)
    return router
