"""Requests to an ASGI application as uvicorn hands them over, without a server."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from dte.runtime.web.shell import AsgiApp

Answer = tuple[int, dict[str, str], str]


async def ask(
    app: AsgiApp,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] = {},
    body: bytes = b"",
    peer: str | None = None,
) -> Answer:
    """One request, as uvicorn hands it over."""
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": (peer, 1) if peer else None, "http_version": "1.1", "scheme": "http", "root_path": "", "server": None,
    }  # fmt: skip
    parts = [
        {"type": "http.request", "body": body[:10], "more_body": True},
        {"type": "http.request", "body": body[10:]},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop(0) if parts else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    answer = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answer, b"".join(item.get("body", b"") for item in sent[1:]).decode()
