"""Files: whole or not at all; a hung file system stops file work only."""

import asyncio
import threading
from pathlib import Path

import pytest

from dte.runtime.errors import Unavailable
from dte.runtime.files import FilePool, write_atomic


def test_a_write_replaces_the_whole_file_and_sets_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, b"a longer first text", 0o600)
    write_atomic(path, b"new", 0o640)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.mkdir()
    (path / "child").touch()
    with pytest.raises(OSError, match=r"record\.json"):
        write_atomic(path, b"new")
    assert [item.name for item in tmp_path.iterdir()] == ["record.json"]


async def test_the_pool_gives_results_and_errors() -> None:
    pool = FilePool()
    assert await pool.run(len, "abc") == 3
    with pytest.raises(FileNotFoundError):
        await pool.run(Path("/no/such/file").read_bytes)
    pool.close()


async def test_a_hung_call_times_out_and_more_of_them_are_refused_at_once() -> None:
    pool = FilePool(workers=1, timeout_s=0.05, waiting=1)
    hang = threading.Event()
    try:
        with pytest.raises(Unavailable, match="did not answer within"):
            await pool.run(hang.wait)
        calls = [asyncio.create_task(pool.run(hang.wait)) for _ in range(2)]
        done, _ = await asyncio.wait(calls)
        assert all(isinstance(call.exception(), Unavailable) for call in done)
    finally:
        hang.set()
        pool.close()
