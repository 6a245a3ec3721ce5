"""One ALISE and its providers for all tests; each test has users of its own."""

from collections.abc import Iterator

import pytest

from tests.integration.alise.world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("alise"))
    try:
        made.start_providers()
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def key(world: World) -> str:
    """An API key of the site."""
    return world.command("keys", "create", "--site", "fac", "--name", "test")
