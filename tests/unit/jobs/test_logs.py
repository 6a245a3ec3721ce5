import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.jobs import log_files
from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.log_files import LogReader, Selection
from dte.interlink.jobs.logs import open_log, select, unix_ns
from dte.interlink.wire import LogOptions, LogRequest
from dte.runtime.errors import BadOutput, Malformed, NotFound, Refused, Unavailable
from dte.runtime.files import FilePool

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
SECOND = 10**9
START = 1_767_225_600  # 2026-01-01T00:00:00Z


class Log:
    """A log that is written in bursts, a second apart, as a supervisor would."""

    def __init__(self, directory: JobDirectory) -> None:
        self.directory = directory
        directory.path.mkdir()
        directory.spec.write_text('{"containers":[{"name":"c","kind":"main"},{"name":"i","kind":"init"}]}')
        self.bursts = 0

    def write(self, data: bytes) -> None:
        path = self.directory.log("c")
        offset = path.stat().st_size if path.exists() else 0
        with self.directory.log_index("c").open("ab") as index:
            index.write(b"%016x %016x\n" % (offset, (START + self.bursts) * SECOND))
        with path.open("ab") as log:
            log.write(data)
        self.bursts += 1

    def restart(self) -> None:
        self.directory.log("c").rename(self.directory.previous_log("c"))
        self.directory.log_index("c").rename(self.directory.previous_log_index("c"))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(JobDirectory(tmp_path, "default", UID))


def over() -> bool:
    return True


async def opened(
    log: Log, container: str = "c", is_terminal: Callable[[], bool] = over, **options: Any
) -> AsyncIterator[bytes]:
    request = LogRequest("default", UID, "p", container, LogOptions(**options))
    return await open_log(log.directory, request, pool=FilePool(), is_terminal=is_terminal)


async def text(log: Log, **options: Any) -> bytes:
    return b"".join([piece async for piece in await opened(log, **options)])


async def test_a_log_is_sent_byte_for_byte(log: Log) -> None:
    log.write(b"a\r\n\0\xff\n\nno newline")
    assert await text(log) == b"a\r\n\0\xff\n\nno newline"


async def test_a_log_that_has_not_begun_is_empty(log: Log) -> None:
    assert await text(log) == b""


async def test_init_containers_have_their_own_logs(log: Log) -> None:
    log.directory.log("i", init=True).write_bytes(b"init\n")
    assert await text(log, container="i") == b"init\n"


async def test_an_unknown_container_is_not_found(log: Log) -> None:
    with pytest.raises(NotFound, match="no container 'x'"):
        await opened(log, container="x")


async def test_without_a_specification_the_files_tell_the_containers(log: Log) -> None:
    log.directory.spec.unlink()
    log.directory.log("i", init=True).write_bytes(b"init\n")
    assert await text(log, container="i") == b"init\n"
    with pytest.raises(NotFound):
        await opened(log, container="c")


@pytest.mark.parametrize(
    ("tail", "expected"),
    [(1, b"3\n"), (2, b"2\n3\n"), (3, b"1\n2\n3\n"), (9, b"1\n2\n3\n")],
)
async def test_tail_is_the_last_lines(log: Log, tail: int, expected: bytes) -> None:
    log.write(b"1\n2\n3\n")
    assert await text(log, tail=tail) == expected


async def test_a_line_without_newline_counts_as_one_of_the_tail(log: Log) -> None:
    log.write(b"1\n2\n3")
    assert await text(log, tail=2) == b"2\n3"


@given(lines=st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")), max_size=30), tail=st.integers(1, 9))
def test_tail_is_the_same_for_any_block_size(tmp_path_factory: Any, lines: list[bytes], tail: int) -> None:
    path = tmp_path_factory.mktemp("tail") / "log"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_files, "CHUNK_BYTES", 7)
        reader = LogReader(path, path, Selection(tail=tail))
        pieces = iter(reader.read, b"")
        assert b"".join(pieces) == b"".join(line + b"\n" for line in lines[-tail:])


async def test_limit_bytes_are_the_first_of_what_would_be_sent(log: Log) -> None:
    log.write(b"1\n2\n3\n")
    assert await text(log, tail=2, limit_bytes=3) == b"2\n3"
    assert await text(log, timestamps=True, limit_bytes=12) == b"2026-01-01T0"
    assert await text(log, limit_bytes=100) == b"1\n2\n3\n"


async def test_timestamps_are_those_of_the_first_byte_of_each_line(log: Log) -> None:
    log.write(b"a\nb")
    log.write(b"b\nc\n")
    assert await text(log, timestamps=True) == (
        b"2026-01-01T00:00:00.000000000Z a\n2026-01-01T00:00:00.000000000Z bb\n2026-01-01T00:00:01.000000000Z c\n"
    )


async def test_timestamps_without_an_index_are_those_of_the_last_write(log: Log) -> None:
    log.directory.log("c").write_bytes(b"a\n")
    stamp, _, line = (await text(log, timestamps=True)).partition(b" ")
    assert line == b"a\n"
    assert abs((datetime.fromisoformat(stamp.decode()) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize(
    ("since", "expected"),
    [("00:00:00Z", b"a\nb\nc\n"), ("00:00:00.5Z", b"b\nc\n"), ("00:00:01Z", b"b\nc\n"), ("00:00:03Z", b"")],
)
async def test_since_is_the_lines_begun_at_or_after_it(log: Log, since: str, expected: bytes) -> None:
    for line in (b"a\n", b"b\n", b"c\n"):
        log.write(line)
    assert await text(log, since_time=f"2026-01-01T{since}") == expected


async def test_since_leaves_out_a_line_that_was_begun_before(log: Log) -> None:
    log.write(b"a")
    log.write(b"a\nb\n")
    assert await text(log, since_time="2026-01-01T00:00:01Z") == b"b\n"


def test_since_seconds_count_back_from_now() -> None:
    assert select(LogOptions(since_seconds=3), now_ns=10 * SECOND).since_ns == 7 * SECOND


def test_a_time_keeps_its_microseconds() -> None:
    assert unix_ns("2026-01-01T01:00:00.123456789+01:00") == START * SECOND + 123_456_000


@pytest.mark.parametrize("when", ["yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"])
async def test_a_bad_time_is_malformed(log: Log, when: str) -> None:
    with pytest.raises(Malformed, match="RFC 3339"):
        await opened(log, since_time=when)


async def test_a_damaged_index_is_bad_output(log: Log) -> None:
    log.write(b"a\n")
    log.directory.log_index("c").write_bytes(b"x" * log_files.RECORD_BYTES)
    with pytest.raises(BadOutput, match="index"):
        await text(log, timestamps=True)


@pytest.mark.parametrize("place", ["spec", "log", "index"])
async def test_a_fifo_in_a_files_place_is_bad_output_and_holds_nobody(log: Log, place: str) -> None:
    log.write(b"a\n")
    directory = log.directory
    path = {"spec": directory.spec, "log": directory.log("c"), "index": directory.log_index("c")}[place]
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(BadOutput, match="not a regular file"):
        await text(log, timestamps=True)


async def test_a_link_in_the_place_of_a_log_is_not_followed(log: Log, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the sidecar's host")
    log.directory.log("c").symlink_to(tmp_path / "secret")
    with pytest.raises(BadOutput):
        await text(log)


async def test_a_file_system_that_fails_is_asked_again_later(log: Log) -> None:
    log.directory.spec.unlink()
    log.directory.path.rename(log.directory.path.with_name("elsewhere"))
    log.directory.path.write_text("no directory")
    with pytest.raises(Unavailable, match="cannot be read"):
        await opened(log)


def test_a_log_without_line_ends_is_searched_only_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "CHUNK_BYTES", 7)
    monkeypatch.setattr(log_files, "MAX_SEARCH_BYTES", 20)
    path = tmp_path / "log"
    path.write_bytes(b"first\n" + b"." * 100)
    assert b"".join(iter(LogReader(path, path, Selection(tail=1)).read, b"")) == b"." * 20


async def test_a_record_cut_off_by_a_crash_is_not_there(log: Log) -> None:
    log.write(b"a\n")
    with log.directory.log_index("c").open("ab") as index:
        index.write(b"0000")
    assert await text(log, timestamps=True) == b"2026-01-01T00:00:00.000000000Z a\n"


async def test_previous_is_the_run_before_the_restart(log: Log) -> None:
    log.write(b"first\n")
    log.restart()
    log.write(b"second\n")
    assert await text(log, previous=True) == b"first\n"
    assert await text(log) == b"second\n"


async def test_previous_of_a_container_that_was_not_restarted_is_refused(log: Log) -> None:
    with pytest.raises(Refused, match="has not been restarted"):
        await opened(log, previous=True)


async def test_following_waits_for_a_log_that_has_not_begun_and_ends_with_the_pod(log: Log) -> None:
    is_over = False
    pieces = await opened(log, follow=True, is_terminal=lambda: is_over)
    waiting = asyncio.ensure_future(anext(pieces))
    log.write(b"a\n")
    assert await waiting == b"a\n"
    is_over = True
    log.write(b"last\n")
    assert [piece async for piece in pieces] == [b"last\n"]


async def test_following_ends_with_the_run_that_is_followed(log: Log) -> None:
    log.write(b"a\n")
    pieces = await opened(log, follow=True, is_terminal=lambda: False)
    assert await anext(pieces) == b"a\n"
    with log.directory.log("c").open("ab") as file:
        file.write(b"b\n")
    log.restart()
    log.write(b"second\n")
    assert [piece async for piece in pieces] == [b"b\n"]


async def test_following_stops_at_the_limit(log: Log) -> None:
    log.write(b"abc\n")
    pieces = await opened(log, follow=True, limit_bytes=2, is_terminal=lambda: False)
    assert [piece async for piece in pieces] == [b"ab"]


async def test_a_follower_that_goes_away_leaves_nothing_behind(log: Log) -> None:
    async def drain(pieces: AsyncIterator[bytes]) -> None:
        async for _ in pieces:
            started.set()

    started = asyncio.Event()
    log.write(b"a\n")
    follower = asyncio.ensure_future(drain(await opened(log, follow=True, is_terminal=lambda: False)))
    await started.wait()
    follower.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower


@given(cuts=st.lists(st.binary(max_size=8), min_size=1, max_size=12), step=st.integers(1, 9))
def test_taking_the_stamps_away_gives_the_log_back(tmp_path_factory: Any, cuts: list[bytes], step: int) -> None:
    log = Log(JobDirectory(tmp_path_factory.mktemp("log"), "default", UID))
    for cut in cuts:
        log.write(cut)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_files, "CHUNK_BYTES", step)
        reader = LogReader(log.directory.log("c"), log.directory.log_index("c"), Selection(timestamps=True))
        sent = b"".join(iter(reader.read, b""))
    lines = sent.split(b"\n")
    assert b"\n".join(line[len("2026-01-01T00:00:00.000000000Z ") :] for line in lines) == b"".join(cuts)
