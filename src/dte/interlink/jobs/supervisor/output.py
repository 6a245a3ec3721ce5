"""What a container writes, byte for byte, and when it wrote it."""

import contextlib
import fcntl
import os
import threading
import time
from typing import Tuple

from .files import say


class Pump(threading.Thread):
    """Copies a container's output from its pipe into its log, and writes the index of times.

    A pipe and not the file itself is the program's output: `echo > /dev/stdout` would cut a file to nothing.
    An index entry precedes the bytes that it is about, at most one per INDEX_EVERY_S.
    """

    PIPE_BYTES = 1 << 20
    INDEX_EVERY_S = 0.05
    GATHER_S = 0.005  # between small reads: a program that writes byte by byte wakes us 200 times a second at most

    def __init__(self, pipe: int, log_path: str, index_path: str) -> None:
        super().__init__(daemon=True)
        self.pipe = pipe
        self.log_path = log_path
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self.log = os.open(log_path, flags, 0o640)
        self.index = os.open(index_path, flags, 0o640)
        self.lost_bytes = 0
        self.index_bytes = 0

    def run(self) -> None:
        offset, indexed_at = 0, 0.0
        while True:
            data = os.read(self.pipe, self.PIPE_BYTES)
            if not data:
                break
            now = max(time.time(), indexed_at)  # a clock set back must not unsort the index
            if now - indexed_at >= self.INDEX_EVERY_S:
                self.add_to_index(offset, int(now * 1e9))
                indexed_at = now
            written = self.append(self.log, data)
            offset += written
            self.lost_bytes += len(data) - written
            if len(data) < self.PIPE_BYTES // 32:
                time.sleep(self.GATHER_S)
        self.close()

    def add_to_index(self, offset: int, time_ns: int) -> None:
        record = b"%016x %016x\n" % (offset, time_ns)
        if self.append(self.index, record) == len(record):
            self.index_bytes += len(record)
        else:  # records must stay where their number says
            os.ftruncate(self.index, self.index_bytes)

    def append(self, descriptor: int, data: bytes) -> int:
        """How much could be written. A full disk must not stop the program, so the rest is lost, and said so."""
        done = 0
        view = memoryview(data)
        while done < len(data):
            try:
                done += os.write(descriptor, view[done:])
            except OSError as error:
                if not self.lost_bytes:
                    say("output of %s is being lost: %s" % (self.log_path, error.strerror))
                break
        return done

    def close(self) -> None:
        try:
            os.fsync(self.log)
        except OSError as error:
            say("%s: %s" % (self.log_path, error.strerror))
        for descriptor in (self.log, self.index, self.pipe):
            os.close(descriptor)
        if self.lost_bytes:
            say("%d bytes of %s were lost" % (self.lost_bytes, self.log_path))


F_SETPIPE_SZ = 1031  # in <linux/fcntl.h>; Python has it from 3.10 on


def output_pipe() -> Tuple[int, int]:
    reader, writer = os.pipe()
    with contextlib.suppress(OSError):  # a user may have so many large pipes; a small one only costs time
        fcntl.fcntl(writer, F_SETPIPE_SZ, Pump.PIPE_BYTES)
    return reader, writer
