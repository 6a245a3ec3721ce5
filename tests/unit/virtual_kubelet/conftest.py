"""Settings and a running controller for the tests of this folder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from dte.interlink.virtual_kubelet.controller import Controller
from dte.interlink.virtual_kubelet.events import EventRecorder
from dte.interlink.virtual_kubelet.pod_watch import PodWatch
from dte.interlink.virtual_kubelet.registry import PodRegistry
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.interlink.virtual_kubelet.sweep import SweepHold
from dte.interlink.virtual_kubelet.worker import Surroundings
from dte.interlink.watch.hub import WatchHub
from tests.unit.virtual_kubelet.builders import PLACE
from tests.unit.virtual_kubelet.fakes import FakeClock, FakeCluster, FakeSite, settle


@pytest.fixture
def raw_settings(tmp_path: Path) -> dict[str, Any]:
    """The smallest configuration that starts."""
    for name in ("kubelet.pem", "kubelet.key", "ca.pem"):
        (tmp_path / name).write_text("PEM")
    return {
        "NodeName": "vk",
        "NodeIP": "192.0.2.10",
        "KubeletCertFile": str(tmp_path / "kubelet.pem"),
        "KubeletKeyFile": str(tmp_path / "kubelet.key"),
        "KubeletClientCAFile": str(tmp_path / "ca.pem"),
        "InterlinkURL": "unix:///run/site.sock",
    }


@pytest.fixture
def settings(raw_settings: dict[str, Any]) -> VirtualKubeletSettings:
    return VirtualKubeletSettings.model_validate(raw_settings)


class Running:
    """A controller between a fake cluster and a fake site, and what a test does with them."""

    def __init__(self, settings: VirtualKubeletSettings) -> None:
        self.settings = settings
        self.clock = FakeClock()
        self.cluster = FakeCluster()
        self.site = FakeSite()
        self.hold = SweepHold()
        self._task: asyncio.Task[None] | None = None
        self.registry = PodRegistry()

    async def start(self) -> None:
        self.registry = PodRegistry()
        around = Surroundings(
            pods=self.cluster,
            objects=self.cluster,
            site=self.site,
            events=EventRecorder(self.cluster, "vk", self.clock.time),
            clock=self.clock,
            settings=self.settings,
            place=lambda: PLACE,
            creates=asyncio.Semaphore(4),
            ends=asyncio.Semaphore(4),
            chance=lambda: 0.0,
            hold=self.hold,
        )
        controller = Controller(around, self.registry, PodWatch(self.cluster, self.clock, lambda: 0.0))
        self._task = asyncio.create_task(controller.run())
        await settle()

    async def stop(self) -> None:
        """As kill -9 would: nothing is told to anybody."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def status(self, uid: str) -> dict[str, Any]:
        return dict(self.cluster.pods[uid]["status"])


@pytest.fixture
async def running(settings: VirtualKubeletSettings) -> AsyncIterator[Running]:
    setup = Running(settings)
    await setup.start()
    yield setup
    await setup.stop()


@pytest.fixture
def stopped(settings: VirtualKubeletSettings) -> Callable[[], Running]:
    return lambda: Running(settings)


@pytest.fixture
async def watching(settings: VirtualKubeletSettings) -> AsyncIterator[Running]:
    """A running controller whose site has a stream of changes."""
    setup = Running(settings)
    setup.site.hub = WatchHub()
    await setup.start()
    yield setup
    await setup.stop()
