"""ALISE's look-up: CPU of the daemon with 20 thousand and a million users, beside FastAPI's empty route.

`python -m tests.bench.alise` needs no site: daemon and client are two processes on a unix socket.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import aiohttp
from sqlalchemy import Connection, insert

from dte.alise import keys
from dte.alise.encoding import sha1_hex
from dte.alise.load import load_alise
from dte.alise.opened import opened_database
from dte.alise.schema import ACCOUNT, IDENTITY
from tests.bench.table import Row, table

SIZES = (20_000, 1_000_000)
CALLS = 4000
WARM_UP_CALLS = 400
CLIENTS = 8
ISSUER, SITE_ISSUER = "https://idp.example.org/realms/demo", "https://op.hpc.example"
KEY = "b" * 32
CONFIG = """
[server]
listen = unix://{directory}/alise.sock
state_directory = {directory}
[auth.fac]
op_url = {site}
client_id = a
internal = true
[auth.demo]
op_url = {issuer}
client_id = b
"""
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def rows() -> list[Row]:
    """Blocks for about a minute; most of it fills the database."""
    return asyncio.run(_rows())


async def _rows() -> list[Row]:
    result = []
    with tempfile.TemporaryDirectory(prefix="dte-bench-") as name:
        floor = await _measured_floor(Path(name) / "empty.sock")
        for size in SIZES:
            directory = Path(name) / str(size)
            directory.mkdir()
            config = _fill(directory, size)
            command = ("-m", "dte.cli", "alise", "serve", "--config", str(config))
            async with _serving(command, directory / "alise.sock") as pid:
                ms, rate = await _measured(pid, directory / "alise.sock", partial(_path, size))
                memory = _memory_mb(pid)
            budget = "<= 0.6 ms, flat"
            upstream = "10.6 ms" if size == SIZES[0] else "-"
            shown = f"{ms:.2f} ms ({ms / floor[0]:.1f} x FastAPI's empty route), {memory:.0f} MB"
            method = f"CPU of the daemon over {CALLS} calls"
            result.append(Row(f"ALISE: look-up, {size:,} users", shown, budget, upstream, method))
            if size == SIZES[0]:
                rate_shown = f"{rate:.0f}/s ({rate / floor[1]:.2f} of the empty route)"
                method = f"{CLIENTS} clients, client on the same cores"
                result.append(Row("ALISE: look-ups a second", rate_shown, "-", "25..33/s", method))
    return result


async def _measured_floor(path: Path) -> tuple[float, float]:
    async with _serving(("-m", "tests.bench.empty_api", str(path)), path) as pid:
        return await _measured(pid, path, lambda number: f"/empty/{'x' * 40}/u{number}?apikey={KEY}")


async def _measured(pid: int, path: Path, target: Callable[[int], str]) -> tuple[float, float]:
    """Milliseconds of CPU for a call, and calls a second."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path), limit=CLIENTS)) as session:

        async def client(numbers: Sequence[int]) -> None:
            for number in numbers:
                async with session.get("http://x" + target(number)) as response:
                    body = await response.read()
                    assert response.status == 200, body

        await client(range(WARM_UP_CALLS))
        before, start = _cpu_s(pid), time.perf_counter()
        await asyncio.gather(*(client(range(first, CALLS, CLIENTS)) for first in range(CLIENTS)))
        return (_cpu_s(pid) - before) / CALLS * 1000, CALLS / (time.perf_counter() - start)


def _path(size: int, number: int) -> str:
    user = number * 7919 % size  # spread over the whole table
    return f"/api/v1/target/fac/mapping/issuer/{sha1_hex(ISSUER)}/user/u{user}?apikey={KEY}"


def _fill(directory: Path, size: int) -> Path:
    """A configuration and its database with so many users, each with one linked identity."""
    config = directory / "alise.conf"
    config.write_text(CONFIG.format(directory=directory, site=SITE_ISSUER, issuer=ISSUER))
    settings = load_alise(config).settings
    digest = keys.load_key_hash(None, directory).digest(KEY)

    def work(connection: Connection) -> None:
        for start in range(0, size, 50_000):
            numbers = range(start, min(start + 50_000, size))
            connection.execute(insert(ACCOUNT), list(_accounts(numbers)))
            connection.execute(insert(IDENTITY), list(_identities(numbers)))
        keys.add_key(connection, site="fac", name="bench", digest=digest, created_by="", now=1, expires_at=None)

    with opened_database(settings) as database:
        database.write_now(work)
    return config


def _accounts(numbers: Sequence[int]) -> Iterator[dict[str, object]]:
    for number in numbers:
        yield {
            "id": number + 1, "site": "fac", "issuer": SITE_ISSUER, "subject": f"a{number}", "username": f"a{number}",
            "display_name": f"Account {number}", "email": "", "created_at": 1, "last_seen": 1,
        }  # fmt: skip


def _identities(numbers: Sequence[int]) -> Iterator[dict[str, object]]:
    for number in numbers:
        yield {
            "account_id": number + 1, "site": "fac", "issuer": ISSUER, "subject": f"u{number}",
            "display_name": f"User {number}", "email": "", "linked_at": 1, "last_seen": 1,
        }  # fmt: skip


@contextlib.asynccontextmanager
async def _serving(command: Sequence[str], path: Path) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(60):
            while not path.exists():
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.5)
        yield process.pid
    finally:
        process.kill()
        await process.wait()


def _cpu_s(pid: int) -> float:
    """User and system time (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    print(table(rows()))
