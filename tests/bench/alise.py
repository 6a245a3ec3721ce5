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
from dataclasses import dataclass
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
CALLS = 1000
ROUNDS = 5
WARM_UP_CALLS = 50
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


Target = tuple[int, Path, Callable[[int], str]]
"""Process, its socket, and the address of a call."""


@dataclass(frozen=True, slots=True)
class Figure:
    """CPU of a call in milliseconds, and calls a second."""

    cpu_ms: float
    per_s: float


def rows() -> list[Row]:
    """Blocks for about a minute; most of it fills the database."""
    return asyncio.run(_rows())


async def _rows() -> list[Row]:
    result = []
    with tempfile.TemporaryDirectory(prefix="dte-bench-") as name:
        floor_path = Path(name) / "empty.sock"
        async with _serving(("-m", "tests.bench.empty_api", str(floor_path)), floor_path) as floor_pid:
            for size in SIZES:
                directory = Path(name) / str(size)
                directory.mkdir()
                config = _fill(directory, size)
                path = directory / "alise.sock"
                async with _serving(("-m", "dte.cli", "alise", "serve", "--config", str(config)), path) as pid:
                    ours, floor = await _compared((pid, path, partial(_path, size)), (floor_pid, floor_path, _empty))
                    memory = _memory_mb(pid)
                result += _figures(size, ours, floor, memory)
    return result


def _figures(size: int, ours: Figure, floor: Figure, memory_mb: float) -> list[Row]:
    shown = f"{ours.cpu_ms:.2f} ms ({ours.cpu_ms / floor.cpu_ms:.1f} x FastAPI's empty route), {memory_mb:.0f} MB"
    method = f"CPU of the daemon, best of {ROUNDS} times {CALLS} calls, taking turns with the empty route"
    upstream = "10.6 ms" if size == SIZES[0] else "-"
    rows = [Row(f"ALISE: look-up, {size:,} users", shown, "<= 0.6 ms, flat", upstream, method)]
    if size == SIZES[0]:
        rate = f"{ours.per_s:.0f}/s ({ours.per_s / floor.per_s:.2f} of the empty route)"
        rows.append(Row("ALISE: look-ups a second", rate, "-", "25..33/s", f"{CLIENTS} clients on the same cores"))
    return rows


async def _compared(ours: Target, floor: Target) -> tuple[Figure, Figure]:
    """The best round of each: what else the machine does only ever adds."""
    rounds = [(await _measured(*ours), await _measured(*floor)) for _ in range(ROUNDS)]
    return _best([pair[0] for pair in rounds]), _best([pair[1] for pair in rounds])


def _best(figures: Sequence[Figure]) -> Figure:
    return Figure(min(item.cpu_ms for item in figures), max(item.per_s for item in figures))


async def _measured(pid: int, path: Path, target: Callable[[int], str]) -> Figure:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path), limit=CLIENTS)) as session:

        async def client(numbers: Sequence[int]) -> None:
            for number in numbers:
                async with session.get("http://x" + target(number)) as response:
                    body = await response.read()
                    assert response.status == 200, body

        await client(range(WARM_UP_CALLS))
        before, start = _cpu_s(pid), time.perf_counter()
        await asyncio.gather(*(client(range(first, CALLS, CLIENTS)) for first in range(CLIENTS)))
        return Figure((_cpu_s(pid) - before) / CALLS * 1000, CALLS / (time.perf_counter() - start))


def _empty(number: int) -> str:
    return f"/empty/{'x' * 40}/u{number}?apikey={KEY}"


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
