"""The answer to `GET /watch`: a hub's lines for as long as the reader stays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web

from .hub import WatchReader
from .lines import HeartbeatLine, Line, encode_line

MEDIA_TYPE = "application/x-ndjson"
HEARTBEAT_S = 10.0
WRITE_TIMEOUT_S = 30.0
"""For a reader that does not take what is sent; it would have given us up after the same time of silence."""
CHUNK_LINES = 256
"""Lines of one write: a large state reaches a slow reader in parts."""


async def send_watch(
    request: web.Request,
    reader: WatchReader,
    *,
    lifetime_s: float | None = None,
    heartbeat_s: float = HEARTBEAT_S,
) -> web.StreamResponse:
    """Send what `reader` is told; ends after `lifetime_s` (a credential's), or when the client leaves.

    A heartbeat goes out whenever nothing else did for `heartbeat_s`.
    """
    response = web.StreamResponse()
    response.content_type = MEDIA_TYPE
    await response.prepare(request)
    try:
        async with asyncio.timeout(lifetime_s):
            while True:
                for part in _parts(await _lines(reader, heartbeat_s)):
                    async with asyncio.timeout(WRITE_TIMEOUT_S):
                        await response.write(b"".join(map(encode_line, part)))
    except (TimeoutError, ConnectionResetError):
        # Over, or nobody listens: either way the connection ends here, and a reader that is left comes again.
        if request.transport is not None:
            request.transport.abort()
    return response


async def _lines(reader: WatchReader, heartbeat_s: float) -> Sequence[Line]:
    try:
        async with asyncio.timeout(heartbeat_s):
            return await reader.lines()
    except TimeoutError:
        return [HeartbeatLine()]


def _parts(lines: Sequence[Line]) -> Sequence[Sequence[Line]]:
    return [lines[start : start + CHUNK_LINES] for start in range(0, len(lines), CHUNK_LINES)]
