"""A container's log and its index of times, as files (docs/wire/job-directory.md). Blocks; raises OSError.

The job's account can put anything in their place: what is no regular file is BadOutput, and what is searched for in
one has a bound.

Descriptors are closed when their owner is dropped: a call may still hang in another thread when its reader gives up.
"""

import os
import re
import weakref
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dte.runtime.errors import BadOutput
from dte.runtime.files import open_regular

CHUNK_BYTES = 1 << 18
MAX_SEARCH_BYTES = 256 << 20
"""In which the line ends of `tail` and `since` are looked for; a progress bar writes a log that has none."""
RECORD_BYTES = 34
_RECORD = re.compile(rb"([0-9a-f]{16}) ([0-9a-f]{16})\n")
_RECORDS_PER_BLOCK = 64
_NEAR = 16
"""Records that are tried before all are searched."""
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of a log, and how. None: all of it."""

    tail: int | None = None
    """The last so many lines; one without a newline at the end of the file is a line, too."""
    since_ns: int | None = None
    """Lines begun at or after this Unix time in nanoseconds."""
    limit_bytes: int | None = None
    """At most so many bytes of what would be sent, from the beginning."""
    timestamps: bool = False


class _Descriptor:
    def __init__(self, path: Path) -> None:
        self.number = open_regular(path)
        weakref.finalize(self, os.close, self.number)

    def size(self) -> int:
        return os.fstat(self.number).st_size

    def read(self, size: int, offset: int) -> bytes:
        return os.pread(self.number, size, offset)


@dataclass(frozen=True, slots=True)
class Burst:
    """Bytes that count as written at one time, up to offset `end`."""

    time_ns: int
    end: int


class TimeIndex:
    """When the bytes of a log were written: records of (offset, time), both ascending; the file grows."""

    def __init__(self, path: Path) -> None:
        self._file = _Descriptor(path)
        self._block_number = -1
        self._block: list[tuple[int, int]] = []
        self._current = 0

    def __len__(self) -> int:
        """Whole records; a broken last one was cut off by a crash."""
        return self._file.size() // RECORD_BYTES

    def record(self, number: int) -> tuple[int, int]:
        """Offset and Unix time in nanoseconds. Raises BadOutput for a record that no supervisor writes."""
        block_number, place = divmod(number, _RECORDS_PER_BLOCK)
        if block_number != self._block_number or place >= len(self._block):
            size = _RECORDS_PER_BLOCK * RECORD_BYTES
            self._block = [
                (int(match[1], 16), int(match[2], 16))
                for match in _RECORD.finditer(self._file.read(size, block_number * size))
            ]
            self._block_number = block_number
        if place >= len(self._block):
            raise BadOutput(f"record {number} of a log's index is not what a supervisor writes")
        return self._block[place]

    def burst_of(self, offset: int, end: int) -> Burst | None:
        """The burst that the byte at `offset` belongs to; None while the index is empty.

        `end` is how far the log was read, after which there may be bursts that are not looked for. Cheap for
        ascending offsets.
        """
        count = len(self)
        if not count:
            return None
        if self.record(self._current)[0] > offset:
            self._current = 0
        later = range(self._current, min(self._current + _NEAR, count))
        if self.record(later[-1])[0] <= offset:
            later = range(self._current, count)
        self._current += max(bisect_right(later, offset, key=lambda number: self.record(number)[0]) - 1, 0)
        following = self._current + 1
        return Burst(self.record(self._current)[1], self.record(following)[0] if following < count else end)

    def offset_since(self, time_ns: int) -> int | None:
        """Where the first byte written at or after `time_ns` is; None when there is none yet."""
        number = bisect_left(range(len(self)), time_ns, key=lambda number: self.record(number)[1])
        return self.record(number)[0] if number < len(self) else None


class LogReader:
    """One pass over a log. Waits for nothing: what is not there yet is asked for again."""

    def __init__(self, path: Path, index_path: Path, selection: Selection) -> None:
        self._path = path
        self._index_path = index_path
        self._selection = selection
        self._file: _Descriptor | None = None
        self._index: TimeIndex | None = None
        self._offset = 0
        self._at_line_start = True
        self._stamp = b""
        self._stamp_end = 0
        self._sent_bytes = 0
        self.is_done = False
        """Nothing more will come: the limit is reached, or a restart has put another log in this one's place."""

    def read(self) -> bytes:
        """The next piece; empty when there is no more at present."""
        if self.is_done or not self._is_open():
            return b""
        raw = self._read_raw()
        self._offset += len(raw)
        piece = self._stamped(raw) if self._selection.timestamps else raw
        limit = self._selection.limit_bytes
        if limit is not None and self._sent_bytes + len(piece) >= limit:
            piece = piece[: limit - self._sent_bytes]
            self.is_done = True
        self._sent_bytes += len(piece)
        return piece

    def _is_open(self) -> bool:
        if self._file is None:
            try:
                self._file = _Descriptor(self._path)
            except FileNotFoundError:
                return False
            self._offset = self._first_offset(self._file)
        return True

    def _read_raw(self) -> bytes:
        assert self._file is not None
        raw = self._file.read(CHUNK_BYTES, self._offset)
        if not raw and self._is_replaced(self._file):
            raw = self._file.read(CHUNK_BYTES, self._offset)  # what came between the first try and the restart
            self.is_done = not raw
        return raw

    def _is_replaced(self, file: _Descriptor) -> bool:
        try:
            return not os.path.samestat(os.fstat(file.number), os.stat(self._path))  # noqa: PTH116 - Path has no samestat
        except FileNotFoundError:
            return True

    def _first_offset(self, file: _Descriptor) -> int:
        size = file.size()
        first = 0 if self._selection.tail is None else tail_offset(file, self._selection.tail, size)
        if self._selection.since_ns is None or (index := self._open_index()) is None:
            return first
        since = index.offset_since(self._selection.since_ns)
        return max(first, size if since is None else next_line(file, since, size))

    def _open_index(self) -> TimeIndex | None:
        """None: there is no index, as in a directory that upstream's plugin made."""
        if self._index is None:
            try:
                self._index = TimeIndex(self._index_path)
            except FileNotFoundError:
                return None
        return self._index

    def _stamped(self, raw: bytes) -> bytes:
        parts = []
        offset = self._offset - len(raw)
        for match in _LINE.finditer(raw):
            line = match[0]
            if self._at_line_start:
                if offset >= self._stamp_end:
                    self._find_stamp(offset)
                parts.append(self._stamp)
            parts.append(line)
            self._at_line_start = line.endswith(b"\n")
            offset += len(line)
        return b"".join(parts)

    def _find_stamp(self, offset: int) -> None:
        """The time of the byte at `offset`, and how far it goes; without an index, that of the log's last write."""
        assert self._file is not None
        index = self._open_index()
        # An index record is written before its bytes: for what was read the index is complete.
        burst = None if index is None else index.burst_of(offset, self._offset)
        if burst is None:
            burst = Burst(os.fstat(self._file.number).st_mtime_ns, self._offset)
        self._stamp, self._stamp_end = stamp(burst.time_ns), burst.end


def stamp(time_ns: int) -> bytes:
    """What goes before a line: RFC 3339 in UTC with nine digits, and a space, as kubelet has it."""
    seconds, nanoseconds = divmod(time_ns, 10**9)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadOutput(f"a log's index has the impossible time {time_ns}") from error
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z ".encode()


def tail_offset(file: _Descriptor, lines: int, size: int) -> int:
    """Where the last `lines` lines of the first `size` bytes begin, read from the end, MAX_SEARCH_BYTES at most."""
    if lines <= 0:
        return size
    floor = max(size - MAX_SEARCH_BYTES, 0)
    end = size - 1 if size and file.read(1, size - 1) == b"\n" else size
    while end > floor:
        start = max(end - CHUNK_BYTES, floor)
        block = file.read(end - start, start)
        found = block.count(b"\n")
        if found >= lines:
            place = len(block)
            for _ in range(lines):
                place = block.rindex(b"\n", 0, place)
            return start + place + 1
        lines -= found
        end = start
    return floor


def next_line(file: _Descriptor, offset: int, size: int) -> int:
    """`offset` itself at the start of a line, else the start of the next one, or `size`.

    A line longer than MAX_SEARCH_BYTES counts from there.
    """
    position = offset - 1
    size = min(size, offset + MAX_SEARCH_BYTES)
    while 0 <= position < size:
        block = file.read(CHUNK_BYTES, position)
        found = block.find(b"\n")
        if found >= 0:
            return position + found + 1
        if not block:
            break
        position += len(block)
    return min(max(position, 0), size)
