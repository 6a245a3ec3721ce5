"""One sidecar's stream, over a real socket: what it brings, and what happens when it breaks."""

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dte.interlink.api.accounts import Account
from dte.interlink.api.feed import NO_STREAM_RETRY_S, RECONNECT, SidecarFeed
from dte.interlink.api.owners import Owners
from dte.interlink.api.ownership import Ownership, OwnershipTable
from dte.interlink.api.plugin_client import PluginClient
from dte.interlink.api.states import SiteStates, Source
from dte.interlink.wire import Creator
from dte.runtime.address import UnixAddress

VEGA = Creator("CN=ca", "CN=vk.vega")
SYNCED = {"synced": True, "instance": "i"}
RUNNING = {"name": "c", "state": {"running": {}}}


def pod(uid: str, **changes: Any) -> dict[str, Any]:
    creator = {"issuer": VEGA.issuer, "subject": VEGA.subject}
    body = {"name": "p", "UID": uid, "namespace": "climate", "JID": "1", "containers": [RUNNING], "rev": 1}
    return {**body, "owner": "cluster/node1", "creator": creator, **changes}


def ndjson(*lines: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@dataclass
class Sidecar:
    """Each connection gets the next of `streams`, then its end; after the last one there is no /watch."""

    streams: list[bytes]
    states: SiteStates
    table: OwnershipTable
    waits: list[float] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    """The state of affairs at each wait."""

    async def watch(self, request: web.Request) -> web.StreamResponse:
        if not self.streams:
            raise web.HTTPNotFound
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await response.write(self.streams.pop(0))
        return response

    async def sleep(self, wait_s: float) -> None:
        self.waits.append(wait_s)
        self.sources.append(self.states.source("twin01"))
        if self.sources[-1] is Source.ASKED:
            raise _Over


class _Over(Exception):
    """The script of the test is over."""


@contextlib.asynccontextmanager
async def opened(directory: Path, rows: Sequence[Ownership] = ()) -> AsyncIterator[Sidecar]:
    table = OwnershipTable(directory)
    await table.open()
    await table.adopt(rows)
    yield Sidecar([], SiteStates(["twin01", "twin02"]), table)
    await table.close()


async def follow(directory: Path, sidecar: Sidecar, *streams: bytes) -> None:
    """Run the feed until all those streams are read."""
    sidecar.streams = list(streams)
    app = web.Application()
    app.router.add_get("/watch", sidecar.watch)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(directory / "s.sock")).start()
    plugin = PluginClient(Account("twin01", UnixAddress(directory / "s.sock")))
    owners = Owners(sidecar.table, ["twin01"])
    with pytest.raises(_Over):
        await SidecarFeed(plugin, sidecar.states, owners, sleep=sidecar.sleep).run()
    await plugin.close()
    await runner.cleanup()


async def test_pods_are_known_with_their_owners(tmp_path: Path) -> None:
    async with opened(tmp_path) as sidecar:
        await follow(tmp_path, sidecar, ndjson(pod("a"), pod("b"), SYNCED))
        assert set(sidecar.states.encoded) == set(sidecar.table.owned(VEGA, "cluster/node1")) == {"a", "b"}


async def test_a_pod_that_is_gone_loses_its_row(tmp_path: Path) -> None:
    async with opened(tmp_path) as sidecar:
        gone = {"UID": "a", "gone": True, "rev": 3}
        await follow(tmp_path, sidecar, ndjson(pod("a"), pod("b"), SYNCED, gone))
        assert set(sidecar.states.encoded) == {row.pod_uid for row in sidecar.table.rows()} == {"b"}


async def test_a_pod_that_is_missing_from_a_new_stream_is_not_known_once_it_is_whole(tmp_path: Path) -> None:
    async with opened(tmp_path) as sidecar:
        whole = ndjson(pod("a"), pod("b"), SYNCED)
        await follow(tmp_path, sidecar, whole, ndjson(pod("b")))
        assert set(sidecar.states.encoded) == {"a", "b"}, "cut off before it was whole"
    async with opened(tmp_path / "other") as sidecar:
        await follow(tmp_path, sidecar, whole, ndjson(pod("b"), SYNCED))
        assert set(sidecar.states.encoded) == {"b"}
        assert sidecar.table.find("a") is not None, "its create may be under way"


async def test_a_pod_of_another_account_is_not_taken(tmp_path: Path) -> None:
    row = Ownership("a", VEGA, "cluster/node1", "twin02", 1)
    async with opened(tmp_path, [row]) as sidecar:
        await follow(tmp_path, sidecar, ndjson(pod("a"), {"UID": "a", "gone": True, "rev": 2}, SYNCED))
        assert not sidecar.states.encoded
        assert sidecar.table.rows() == (row,)


async def test_a_pod_without_creator_is_nobodys(tmp_path: Path) -> None:
    async with opened(tmp_path) as sidecar:
        await follow(tmp_path, sidecar, ndjson(pod("a", creator=None), SYNCED))
        assert not sidecar.states.encoded
        assert not sidecar.table.rows()


async def test_a_line_without_containers_leaves_the_state(tmp_path: Path) -> None:
    async with opened(tmp_path) as sidecar:
        await follow(tmp_path, sidecar, ndjson(pod("a"), SYNCED, pod("a", containers=[]), pod("b", containers=None)))
        assert json.loads(sidecar.states.encoded["a"])["containers"] == [RUNNING]
        assert "b" not in sidecar.states.encoded
        assert sidecar.states.hub.get("b") is None


async def test_a_tombstone_without_containers_keeps_the_final_state(tmp_path: Path) -> None:
    async with opened(tmp_path) as sidecar:
        await follow(tmp_path, sidecar, ndjson(pod("a"), SYNCED, pod("a", containers=[], deleted=True)))
        line = sidecar.states.hub.get("a")
        assert line is not None
        assert (line.deleted, line.status.containers) == (True, (RUNNING,))


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(ndjson(pod("a")), id="not whole"),
        pytest.param(ndjson(SYNCED), id="whole, then broken at once"),
        pytest.param(b"no JSON\n", id="no line of the protocol"),
        pytest.param(ndjson({**SYNCED, "incomplete": True}), id="a sidecar that has not heard its own"),
    ],
)
async def test_reconnects_slow_down(tmp_path: Path, stream: bytes) -> None:
    async with opened(tmp_path) as sidecar:
        await follow(tmp_path, sidecar, *[stream] * 8)
        *waits, last = sidecar.waits
        assert set(sidecar.sources[:-1]) == {Source.SILENT}
        assert all(wait <= RECONNECT.max_s for wait in waits)
        assert sum(waits[-2:]) >= RECONNECT.max_s, "half of the limit at least, each"
        assert last == NO_STREAM_RETRY_S


async def test_a_plugin_that_answers_any_path_has_no_stream(tmp_path: Path) -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async with opened(tmp_path) as sidecar:
        app = web.Application()
        app.router.add_get("/{any}", hello)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "s.sock")).start()
        plugin = PluginClient(Account("twin01", UnixAddress(tmp_path / "s.sock")))
        with pytest.raises(_Over):
            await SidecarFeed(plugin, sidecar.states, Owners(sidecar.table, ["twin01"]), sleep=sidecar.sleep).run()
        assert sidecar.sources == [Source.ASKED]
        await plugin.close()
        await runner.cleanup()
