"""The whole site, as `make site` leaves it; shared by all tests of this folder."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.lab import demo, running


@pytest.fixture(scope="session")
def site() -> running.Site:
    return running.site()


@pytest.fixture
def apply(site: running.Site) -> Iterator[Callable[..., str]]:
    """Apply the example pod with another name and shell command, and more of its spec; it is gone after the test."""
    names: list[str] = []

    def make(name: str, command: str, **spec: Any) -> str:
        pod = yaml.safe_load(demo.EXAMPLE.read_text())
        pod["metadata"]["name"] = name
        pod["spec"]["containers"][0]["args"] = [command]
        pod["spec"].update(spec)
        names.append(name)
        site.apply(pod)
        return name

    yield make
    for name in names:
        site.kubectl.run("delete", "pod", name, "--ignore-not-found", "--grace-period=1")
