"""Providers that are away, keys that change, a daemon that is killed, and what an operator does beside it."""

import asyncio
import json
import signal
from collections.abc import Iterator

import pytest

from dte.alise.encoding import sha1_hex
from dte.identity.refreshed import RETRY_S
from tests.integration.alise.world import Browser, Page, World, signing_key


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Started before its providers are."""
    made = World(tmp_path_factory.mktemp("alise"))
    try:
        made.start()
        yield made
    finally:
        made.close()


async def test_life_with_providers_that_come_and_go(world: World) -> None:
    key = world.command("keys", "create", "--site", "fac", "--name", "t")
    path = f"/api/v1/target/fac/mapping/issuer/{sha1_hex(world.demo)}/user/ext-alice"
    async with world.browser() as browser:
        # Down at the start: look-ups are answered, a login says what is wrong.
        assert (await browser.get(path, x_api_key=key)).status == 401
        page = await browser.get("/fac")
        assert (page.status, page.headers["Retry-After"]) == (503, "5")
        assert "The Facility cannot be reached now" in page.text
        world.providers.stop()
        world.start_providers()
        page = await _until_served(browser, "/fac")
        page = await browser.get(await browser.to_callback(page, "alice"))
        assert page.url == f"{world.url}/fac"
        # Down in the middle of a login.
        callback = await browser.begin_link("ext-alice")
        world.providers.stop()
        page = await browser.get(callback)
        assert page.status == 503
        assert "did not finish the login" in page.text
        # Back with a new key, the old one still published.
        world.keys.insert(0, signing_key("second"))
        world.start_providers()
        assert (await browser.link("ext-alice")).status == 200
        # Killed: session and links are on disk.
        world.stop(signal.SIGKILL)
        world.start()
        assert "alice1" in (await browser.get("/fac")).text
        page = await browser.get(path, x_api_key=key)
        assert json.loads(page.text)["internal"]["username"] == "alice1"
        assert world.command("export", "--site", "fac") == "alice1 ext-alice"
        assert world.stop() == 0
        assert world.sql("SELECT count(*) FROM api_key WHERE last_used_at > 0") == [(1,)]


async def _until_served(browser: Browser, path: str) -> Page:
    """A failure is remembered for RETRY_S: until then others are told the same."""
    for _ in range(int(RETRY_S * 10)):
        page = await browser.get(path)
        if page.status != 503:
            return page
        await asyncio.sleep(0.5)
    raise AssertionError("the provider is not asked again")
