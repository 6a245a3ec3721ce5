"""A running API with two sidecars."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.interlink_api.plugin import Plugin, serving
from tests.integration.interlink_api.site import Client, Site


@pytest.fixture
async def prepared(tmp_path: Path) -> AsyncIterator[Site]:
    """Its files are there, and it does not run yet."""
    site = Site(tmp_path)
    yield site
    await site.close()


@pytest.fixture
async def twin01(prepared: Site) -> AsyncIterator[Plugin]:
    async with serving(prepared.plugin_path("twin01")) as plugin:
        yield plugin


@pytest.fixture
async def twin02(prepared: Site) -> AsyncIterator[Plugin]:
    async with serving(prepared.plugin_path("twin02")) as plugin:
        yield plugin


@pytest.fixture
async def site(prepared: Site, twin01: Plugin, twin02: Plugin) -> Site:
    """It has heard both sidecars: until then it answers nobody."""
    prepared.configure()
    await prepared.start_heard()
    return prepared


@pytest.fixture
async def kubelet(site: Site) -> AsyncIterator[Client]:
    async with site.client("vk.vega") as client:
        yield client
