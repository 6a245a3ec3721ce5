"""The interLink API beside a bare aiohttp route that sends the same bytes: status of 100 pods, and creates.

`python -m tests.bench.interlink_api` needs no site: API, sidecar and client are three processes on unix sockets.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp

from dte.interlink import wire
from tests.bench.table import Row, table
from tests.integration.interlink_api.site import Site

PODS = 100
SECONDS = 4.0
WARM_UP_CALLS = 20
CPU_CALLS = 1000

Call = Callable[[], Awaitable[None]]


def rows() -> list[Row]:
    """Blocks for about half a minute."""
    return asyncio.run(_rows())


async def _rows() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="dte-bench-") as name:
        directory = Path(name)
        uids = [str(uuid.uuid4()) for _ in range(PODS)]
        (directory / "answer.json").write_bytes(wire.encode_statuses([_state(uid) for uid in uids]))
        site = Site(directory)
        site.listen_on_unix_socket(ErrorsOnlyLogging=False)
        async with (
            _sidecar(site.plugin_path("twin01"), directory / "answer.json"),
            _sidecar(site.plugin_path("twin02"), directory / "answer.json"),
        ):
            try:
                await site.start()
                return [*await _measured(site, uids), await _cpu(site, uids)]
            finally:
                await site.close()


async def _measured(site: Site, uids: list[str]) -> list[Row]:
    body = wire.encode_json([_pod(uid) for uid in uids])
    async with _session(site.socket_path) as api, _session(site.plugin_path("twin01")) as bare:
        for uid in uids:
            await _create(api, uid)
        result = []
        for clients in (1, 8):
            ours = await _rate(lambda: _status(api, body), clients)
            theirs = await _rate(lambda: _status(bare, body), clients)
            upstream, budget = ("44/s", ">= 400/s from a watch") if clients == 1 else ("-", "-")
            what = f"API: status of {PODS} pods, {clients} client{'s' if clients > 1 else ''}"
            result.append(Row(what, _figure(ours, theirs), budget, upstream, "calls/s over 4 s, one sidecar behind"))
        creates = await _rate(lambda: _create(api, str(uuid.uuid4())), 1)
        straight = await _rate(lambda: _create(bare, str(uuid.uuid4())), 1)
        method = "calls/s over 4 s, owner synced to disk first"
        result.append(Row("API: create, 1 client", _figure(creates, straight), "-", "1250/s", method))
        return result


async def _cpu(site: Site, uids: list[str]) -> Row:
    body = wire.encode_json([_pod(uid) for uid in uids])
    assert site.process is not None
    before = _cpu_s(site.process.pid)
    async with _session(site.socket_path) as api:
        for _ in range(CPU_CALLS):
            await _status(api, body)
    ms = 1000 * (_cpu_s(site.process.pid) - before) / CPU_CALLS
    return Row(f"API: CPU for a status of {PODS} pods", f"{ms:.2f} ms", "-", "-", f"mean of {CPU_CALLS} calls")


def _cpu_s(pid: int) -> float:
    """User and system time of a process so far (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _figure(ours: float, bare: float) -> str:
    return f"{ours:.0f}/s ({ours / bare:.2f} of bare aiohttp)"


async def _rate(call: Call, clients: int) -> float:
    """Calls a second of so many clients, each with one call at a time."""
    for _ in range(WARM_UP_CALLS):
        await call()
    start = time.perf_counter()

    async def client() -> int:
        count = 0
        while time.perf_counter() - start < SECONDS:
            await call()
            count += 1
        return count

    counts = await asyncio.gather(*(client() for _ in range(clients)))
    return sum(counts) / (time.perf_counter() - start)


async def _status(session: aiohttp.ClientSession, body: bytes) -> None:
    async with session.get("http://x/status", data=body) as response:
        answer = await response.read()
        assert response.status == 200, answer
        assert len(answer) > PODS * 100, "all the pods"


async def _create(session: aiohttp.ClientSession, uid: str) -> None:
    body = wire.encode_create_request(wire.CreateRequest(_pod(uid)))
    async with session.post("http://x/create", data=body) as response:
        assert response.status == 200, await response.text()


@contextlib.asynccontextmanager
async def _sidecar(path: Path, answer: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.status_server", str(path), str(answer), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        await process.wait()


def _session(path: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path)))


def _pod(uid: str) -> dict[str, object]:
    """As large as what our virtual kubelet sends in a status request."""
    return {
        "metadata": {"name": f"train-{uid[:8]}", "namespace": "climate", "uid": uid, "annotations": {"JobID": "1042"}},
        "spec": {"nodeName": "vega-cpu", "initContainers": [], "containers": [{"name": "c", "image": "img"}]},
        "status": {"phase": "Running"},
    }


def _state(uid: str) -> wire.PodStatus:
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    container = {
        "name": "c",
        "state": running,
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": "img",
        "imageID": "",
    }
    return wire.PodStatus(f"train-{uid[:8]}", uid, "climate", "1042", (container,))


if __name__ == "__main__":
    print(table(rows()))
