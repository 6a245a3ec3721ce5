"""Pages in the house style: one layout, one style sheet, no script, nothing from another host."""

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

HERE = Path(__file__).parent
STYLE_PATH = "/static/style.css"
ICON_PATH = "/static/favicon.svg"
STATIC_SECONDS = 3600

SECURITY_HEADERS = {
    # A form of ours may lead to a provider by redirect, which browsers count as the form's own target.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' https:; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Strict-Transport-Security": "max-age=31536000",
    "Cache-Control": "no-store",
}


class Pages:
    """Templates of a component over the shared ones; every value is escaped, a missing one is an error."""

    def __init__(self, templates: Path, **common: Any) -> None:
        """`common` is known to every template: `service` (its name) and `contact` must be in it."""
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([templates, HERE]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(iso=_iso, day=lambda at: _iso(at)[:10])
        self._environment.globals.update(common, style_path=STYLE_PATH, icon_path=ICON_PATH)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(self._environment.get_template(template).render(values), status, headers=SECURITY_HEADERS)

    def message(self, status: int, heading: str, text: str, *, back: str = "/", back_text: str = "Back") -> Response:
        """A page that says one thing and offers one way on."""
        return self.page("message.html", status, heading=heading, text=text, back=back, back_text=back_text)


def _iso(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def wants_page(request: Request) -> bool:
    """Is it a browser, that shows pages, rather than a program?"""
    return "text/html" in request.headers.get("accept", "")


class StaticFiles:
    """A few files kept in memory: path -> bytes and their type."""

    def __init__(self, files: Mapping[str, tuple[bytes, str]]) -> None:
        self._files = {
            path: (data, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"') for path, (data, kind) in files.items()
        }

    @property
    def names(self) -> frozenset[str]:
        """The paths that there are."""
        return frozenset(self._files)

    def answer(self, request: Request, path: str) -> Response | None:
        """None when there is no such file."""
        found = self._files.get(path)
        if found is None:
            return None
        data, kind, tag = found
        headers = {
            "ETag": tag,
            "Cache-Control": f"public, max-age={STATIC_SECONDS}",
            "X-Content-Type-Options": "nosniff",
            # An SVG opened by itself is a document.
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        }
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=kind, headers=headers)


def shared_files() -> dict[str, tuple[bytes, str]]:
    """The style sheet and the icon of every service."""
    return {
        STYLE_PATH: ((HERE / "style.css").read_bytes(), "text/css"),
        ICON_PATH: ((HERE / "favicon.svg").read_bytes(), "image/svg+xml"),
    }
