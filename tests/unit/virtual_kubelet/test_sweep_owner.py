"""The sweep and clusters that are not what they seem: what is another's is never seen, ours never goes all at once."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from dte.interlink.virtual_kubelet.site import InterlinkSite
from dte.interlink.watch.hub import WatchHub
from dte.interlink.watch.stream import send_watch
from dte.runtime.address import UnixAddress
from tests.unit.virtual_kubelet.builders import another_uid, pod, report
from tests.unit.virtual_kubelet.builders import running as runs
from tests.unit.virtual_kubelet.conftest import Running

OURS, THEIRS = "cluster-a/vk", "cluster-b/vk"


@dataclass
class ScopedApi:
    """An interLink API that shows each owner id its own pods, as docs/wire/interlink.md asks."""

    hubs: dict[str, WatchHub] = field(default_factory=lambda: {OURS: WatchHub(), THEIRS: WatchHub()})
    deleted: list[str] = field(default_factory=list)

    def add(self, owner, count):
        uids = [another_uid() for _ in range(count)]
        for uid in uids:
            self.hubs[owner].publish(report(runs(), uid=uid))
        return uids

    async def watch(self, request):
        with self.hubs[request.headers["InterLink-Owner"]].reader() as reader:
            return await send_watch(request, reader)

    async def delete(self, request):
        self.deleted.append((await request.json())["metadata"]["uid"])
        return web.Response(text="deleted")


@asynccontextmanager
async def kubelet_at(api, socket, settings, owner):
    """A running controller whose requests carry the owner id."""
    app = web.Application()
    app.add_routes([web.get("/watch", api.watch), web.delete("/delete", api.delete)])
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    setup = Running(settings)
    async with InterlinkSite(UnixAddress(socket), node_name="vk") as site:
        site.owner_id = owner
        setup.site = site
        await setup.start()
        yield setup
        await setup.stop()
    await runner.cleanup()


async def minutes(setup, count):
    for _ in range(12 * count):
        await setup.clock.advance(5)
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(("owner", "other"), [(OURS, THEIRS), (THEIRS, OURS)])
async def test_a_cluster_with_a_node_of_the_same_name_loses_nothing_to_the_other(tmp_path, settings, owner, other):
    api = ScopedApi()
    api.add(other, 5)
    mine = api.add(owner, 2)
    async with kubelet_at(api, tmp_path / "s", settings, owner) as setup:
        setup.cluster.apply(pod(uid=mine[0]))
        await minutes(setup, 5)
    assert api.deleted == [mine[1]]


async def test_our_own_cluster_restored_from_before_its_pods_loses_nothing_and_says_so(tmp_path, settings):
    api = ScopedApi()
    api.add(OURS, 40)
    async with kubelet_at(api, tmp_path / "s", settings, OURS) as setup:
        await minutes(setup, 10)
    assert api.deleted == []
    assert setup.hold.orphans == 40
    assert setup.cluster.reasons() == ["SweepHeld"]
