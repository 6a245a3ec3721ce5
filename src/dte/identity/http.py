"""JSON from issuers: over verified TLS, bounded in size and time, never redirected, through the unit's proxy."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec

from dte.runtime.errors import BadOutput, Unavailable

TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    status: int
    body: Any
    """The decoded JSON; None when an error's body is something else."""


class JsonClient:
    """One connection pool for all issuers. `async with` opens it."""

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._ssl_context = ssl_context or ssl.create_default_context()
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit_per_host=16, ssl=self._ssl_context),
            timeout=self._timeout,
            trust_env=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> JsonAnswer:
        """Raises Unavailable when there is no answer, a 5xx or a 429; BadOutput for one that is no JSON object."""
        return await self._request("GET", url, headers or {}, None)

    async def post_form(self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str]) -> JsonAnswer:
        """Like `get`; a form as OAuth's endpoints take it."""
        return await self._request("POST", url, headers, form)

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> JsonAnswer:
        assert self._session is not None, "async with comes first"
        if urlsplit(url).scheme != "https":
            raise BadOutput(f"{_shown(url)} is not https")
        try:
            async with self._session.request(
                method, url, headers=headers, data=form, allow_redirects=False
            ) as response:
                data = await _limited(response, url)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"{_shown(url)} did not answer: {reason}") from error
        return _answer(url, response.status, data)


async def _limited(response: aiohttp.ClientResponse, url: str) -> bytes:
    data = b""
    async for chunk in response.content.iter_chunked(64 << 10):
        data += chunk
        if len(data) > MAX_ANSWER_BYTES:
            raise BadOutput(f"{_shown(url)} answered more than {MAX_ANSWER_BYTES} bytes")
    return data


def _answer(url: str, status: int, data: bytes) -> JsonAnswer:
    if status >= 500 or status == 429:
        raise Unavailable(f"{_shown(url)} answered {status}")
    if 300 <= status < 400:
        raise BadOutput(f"{_shown(url)} redirects ({status}): give its final address")
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if status >= 400:
            return JsonAnswer(status, None)
        raise BadOutput(f"{_shown(url)} answered no JSON") from error
    if status < 400 and not isinstance(body, dict):
        raise BadOutput(f"{_shown(url)} answered JSON that is no object")
    return JsonAnswer(status, body)


def _shown(url: str) -> str:
    """Without query and credentials, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
