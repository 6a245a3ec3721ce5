"""The application: JSON routes and pages, and how errors look to programs and to people."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dte import __version__
from dte.alise import wire
from dte.alise.api import PREFIX, Api, api_router
from dte.alise.core import Core
from dte.alise.opened import privacy_text
from dte.alise.web import page_router
from dte.runtime.web import new_app
from dte.runtime.web.pages import Pages, wants_page
from dte.runtime.web.raw_path import with_raw_path
from dte.runtime.web.shell import AsgiApp, Limits, Scope, complete, in_shell

TEMPLATES = Path(__file__).parent / "web" / "templates"


def served_app(core: Core) -> AsgiApp:
    """All of it, in the shell, with raw paths below `/api/v1/`. Raises ConfigError for files that cannot be read."""
    server = core.settings.server
    pages = Pages(TEMPLATES, service="ALISE", contact=server.contact)

    def answer(scope: Scope, status: int, text: str) -> Response:
        request = Request(scope)
        if not request.url.path.startswith(f"{PREFIX}/") and wants_page(request):
            return _page(pages, request, status, text)
        return wire.error(status, text) if status >= 500 else wire.Json({"detail": text}, status)

    app = new_app(
        error_answer=answer,
        title="ALISE",
        version=__version__,
        description="Which local account belongs to an identity of a federation.",
    )
    app.add_exception_handler(HTTPException, _http_error(pages))
    app.include_router(api_router(Api(core)))
    app.include_router(page_router(core, pages, privacy_text(server.privacy_file)))
    limits = Limits(requests=server.max_requests)
    return in_shell(with_raw_path(app, f"{PREFIX}/"), limits=limits, error_answer=answer)


def _http_error(pages: Pages) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), "registered for it"
        if not request.url.path.startswith(f"{PREFIX}/") and wants_page(request):
            response = _page(pages, request, error.status_code, error.detail)
        else:
            response = wire.Json({"detail": error.detail}, error.status_code)
        response.headers.update(error.headers or {})
        return complete(response)

    return answer


def _page(pages: Pages, request: Request, status: int, text: str) -> Response:
    """`text` says what happened; the status's own words are the heading where it adds nothing."""
    phrase = HTTPStatus(status).phrase
    site = request.path_params.get("site")
    back, words = (f"/{site}", "To my account") if site and status != 404 else ("/", "To the start")
    heading = HEADINGS.get(status, phrase)
    shown = TEXTS.get(status, "") if text == phrase else text
    return pages.message(status, heading, shown or "Please try again.", back=back, back_text=words)


HEADINGS = {
    400: "This did not work",
    401: "Not logged in",
    403: "Not allowed",
    404: "There is no such page",
    409: "Already linked to another account",
    429: "Too often",
    500: "Something went wrong here",
    502: "A provider gave a wrong answer",
    503: "Not available now",
}
TEXTS = {404: "Check the address, or begin at the start."}
