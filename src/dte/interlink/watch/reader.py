"""The reading end of the stream of changes, over whatever brings the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from dte.runtime.errors import Malformed, Unavailable

from .lines import Line, decode_line

SILENCE_S = 30.0
"""Three heartbeats: a sender that says nothing for so long is gone."""
MAX_LINE_BYTES = 8 << 20


async def read_watch(chunks: AsyncIterator[bytes], *, silence_s: float = SILENCE_S) -> AsyncGenerator[Sequence[Line]]:
    """The lines as they come, all of a chunk at once; ends with the stream.

    Raises Unavailable after `silence_s` without a byte, Malformed for what is no line of this protocol.
    """
    rest = b""
    while True:
        try:
            async with asyncio.timeout(silence_s):
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            raise Unavailable(f"the stream of changes was silent for {silence_s:g} s") from error
        if chunk is None:
            return
        *complete, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise Malformed(f"a line of the stream is longer than {MAX_LINE_BYTES} bytes")
        lines = [line for data in complete if data.strip() and (line := decode_line(data)) is not None]
        if lines:
            yield lines
