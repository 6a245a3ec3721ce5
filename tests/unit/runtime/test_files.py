"""Files: whole or not at all; a hung file system stops file work only."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dte.runtime.errors import BadOutput, Unavailable
from dte.runtime.files import FilePool, read_regular, write_atomic


def test_a_write_replaces_the_whole_file_and_sets_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, b"a longer first text", 0o600)
    write_atomic(path, b"new", 0o640)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_follows_no_link_that_lies_in_wait(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"kept")
    for name in (f".file.{os.getpid()}.{threading.get_ident()}", ".file.tmp"):
        (tmp_path / name).symlink_to(tmp_path / "victim")
    write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"kept"
    assert not (tmp_path / "file").is_symlink()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.mkdir()
    (path / "child").touch()
    with pytest.raises(OSError, match=r"record\.json"):
        write_atomic(path, b"new")
    assert [item.name for item in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize(
    "put",
    [
        pytest.param(lambda path: os.mkfifo(path), id="a FIFO"),
        pytest.param(lambda path: path.mkdir(), id="a directory"),
        pytest.param(lambda path: path.symlink_to("/etc/hostname"), id="a link"),
        pytest.param(lambda path: path.write_bytes(b"12345"), id="too large"),
    ],
)
def test_what_lies_in_a_files_place_is_bad_output(tmp_path: Path, put: Callable[[Path], object]) -> None:
    put(tmp_path / "file")
    with pytest.raises(BadOutput):
        read_regular(tmp_path / "file", 4)


def test_a_regular_file_up_to_the_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    assert read_regular(tmp_path / "file", 4) == b"1234"
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "other", 4)


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


HANGING = """
import asyncio, threading
from dte.runtime.errors import Unavailable
from dte.runtime.files import FilePool

async def main():
    pool = FilePool(workers=2, timeout_s=0.05)
    for _ in range(3):
        try:
            await pool.run(threading.Event().wait)
        except Unavailable:
            print("hangs")
    pool.close()

asyncio.run(main())
"""


def test_a_hung_file_system_does_not_keep_the_process_from_ending() -> None:
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "hangs\n" * 3), done.stderr


async def test_a_closed_pool_says_so() -> None:
    pool = FilePool()
    pool.close()
    with pytest.raises(Unavailable, match="stops"):
        await pool.run(len, "abc")
