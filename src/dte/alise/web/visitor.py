"""Who looks at a page: the session that the cookie names, and what it may do."""

import hmac
import re
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dte.alise import links, sessions
from dte.alise.core import Core
from dte.alise.providers import Provider
from dte.alise.records import Account
from dte.alise.sessions import Session
from dte.runtime.errors import Malformed
from dte.runtime.web.forms import form_of
from dte.runtime.web.pages import SECURITY_HEADERS

COOKIE = "__Host-alise"
"""The prefix makes browsers insist on Secure, the whole path and this very host (RFC 6265bis)."""
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:]{2,39}\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser that is logged in to a site."""

    session: Session = field(repr=False)
    account: Account


async def session_of(core: Core, request: Request) -> Session | None:
    """None without a cookie that we gave and that has not expired."""
    token = request.cookies.get(COOKIE, "")
    if not token:
        return None
    now = core.now
    return await core.read(lambda connection: sessions.find_session(connection, token, now))


async def visitor_of(core: Core, request: Request, site: Provider) -> Visitor | None:
    """None when the browser has not proven an account of this site."""
    session = await session_of(core, request)
    if session is None or session.account_id is None:
        return None
    account_id = session.account_id
    account = await core.read(lambda connection: links.account_by_id(connection, account_id))
    if account is None or account.site != site.name or account.issuer != site.issuer:
        return None
    return Visitor(session, account)


async def sent_by(request: Request, session: Session) -> dict[str, str]:
    """The fields of a form of ours. Raises Malformed unless it is one, sent from a page of this session."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Malformed("the form was sent from another site")
    form = await form_of(request)
    if not hmac.compare_digest(form.get("csrf", "").encode(errors="replace"), session.csrf.encode()):
        raise Malformed("the form is not of this login: load its page again")
    return form


def base_url(core: Core, request: Request) -> str:
    """`https://HOST` under which the browser sees us. Raises Malformed for a Host that cannot be one."""
    if core.settings.server.public_url:
        return core.settings.server.public_url
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise Malformed("the request has no usable Host")
    return f"https://{host}"


def see(path: str, *, status: int = 303) -> Response:
    """Go to a path of ours or to a provider's address; never to one that a request named."""
    return RedirectResponse(path, status, headers=SECURITY_HEADERS)


def give_cookie(response: Response, token: str, life_s: int) -> Response:
    response.set_cookie(COOKIE, token, max_age=life_s, path="/", secure=True, httponly=True, samesite="lax")
    return response


def take_cookie(response: Response) -> Response:
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response
