"""A running API with two sidecars."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.interlink_api.plugin import Plugin, serving
from tests.integration.interlink_api.site import Client, Site, running


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
async def twin01(site: Site) -> AsyncIterator[Plugin]:
    async with serving(site.plugin_path("twin01")) as plugin:
        yield plugin


@pytest.fixture
async def twin02(site: Site) -> AsyncIterator[Plugin]:
    async with serving(site.plugin_path("twin02")) as plugin:
        yield plugin


@pytest.fixture
async def kubelet(site: Site) -> AsyncIterator[Client]:
    async with site.client("vk.vega") as client:
        yield client
