"""Reading the API's stream of changes, and waiting until a status says what it should."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from tests.integration.interlink_api.bodies import pod
from tests.integration.interlink_api.site import Answer, Client

LIMIT_S = 30.0
SYNCED = {"synced": True}


class Stream:
    """One open watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def line(self) -> dict[str, Any]:
        async with asyncio.timeout(LIMIT_S):
            text = await self.response.content.readline()
        assert text, "the stream has ended"
        line: dict[str, Any] = json.loads(text)
        line.pop("instance", None)
        return line

    async def pod(self) -> dict[str, Any]:
        """The next line of a pod."""
        while "UID" not in (line := await self.line()):
            pass
        return line

    async def until(self, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        """The lines before `wanted`."""
        before = []
        while (line := await self.line()) != wanted:
            before.append(line)
        return before


@contextlib.asynccontextmanager
async def watching(client: Client) -> AsyncIterator[Stream]:
    async with client.open("GET", "/watch", None) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "application/x-ndjson"
        yield Stream(response)


async def status_when(client: Client, *uids: str, holds: Callable[[Answer], bool]) -> Answer:
    """The first answer for which `holds`."""
    async with asyncio.timeout(LIMIT_S):
        while not holds(answer := await client.call("GET", "/status", [pod(uid) for uid in uids])):
            await asyncio.sleep(0.02)
    return answer


def told(answer: Answer) -> list[str]:
    return [item["UID"] for item in json.loads(answer.text)] if answer.status == 200 else []
