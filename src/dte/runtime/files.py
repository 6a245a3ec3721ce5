"""Files that must survive a crash, and file systems that may hang."""

import asyncio
import contextlib
import errno
import os
import queue
import stat
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import ParamSpec, TypeVar

from dte.runtime.errors import BadOutput, Unavailable

P = ParamSpec("P")
T = TypeVar("T")


def write_atomic(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Put `data` at `path` so that a reader, or a crash, meets the old file or the new one, whole.

    Blocks; the bytes are on disk when it returns. Raises OSError.
    """
    # A new file under a name that nobody can foresee: in a directory that others write, too, a link in its place
    # would lead the write elsewhere.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask is
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make creations, renames and removals in the directory `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp | None:
    """What differs once the file was replaced or written; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def open_regular(path: Path) -> int:
    """A descriptor to read `path` with, where somebody else may have put something in the file's place.

    Raises BadOutput for what is no regular file that we may read: a FIFO would hold this thread for ever, a link would
    lead out of the directory. Raises OSError for the rest.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EACCES, errno.ENXIO):
            raise BadOutput(f"{path}: {error.strerror}") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadOutput(f"{path} is not a regular file")
    return descriptor


def read_regular(path: Path, limit: int) -> bytes:
    """All of a file opened by `open_regular`. Raises BadOutput also for more than `limit` bytes."""
    with os.fdopen(open_regular(path), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BadOutput(f"{path} is larger than {limit} bytes")
    return data


class FilePool:
    """File work in a bounded number of threads, each call with a time limit.

    A thread stuck on a hung mount cannot be ended; it keeps its place. When all places are stuck every
    call fails at once, so that a hung mount stops file work and never the daemon. The threads do not keep
    the process from ending, as those of a ThreadPoolExecutor would.
    """

    def __init__(self, *, workers: int = 8, timeout_s: float = 15.0, waiting: int = 256) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._timeout_s = timeout_s
        self._places = threading.BoundedSemaphore(workers + waiting)
        self._is_closed = False

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` in a thread. Raises Unavailable when it takes too long, else what it raises."""
        if self._is_closed:
            raise Unavailable("file work has ended: the daemon stops")
        if not self._places.acquire(blocking=False):
            raise Unavailable("file system busy or hung: too many file operations are waiting")
        future: Future[T] = Future()
        future.add_done_callback(lambda _: self._places.release())
        self._calls.put(lambda: _fulfil(future, lambda: function(*args, **kwargs)))
        self._start()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            name = getattr(function, "__name__", "file operation")
            raise Unavailable(f"file system did not answer within {self._timeout_s:g} s ({name})") from error

    def close(self) -> None:
        """Take no more work; does not wait for threads that hang."""
        self._is_closed = True
        for _ in self._threads:
            self._calls.put(None)  # ends the thread that takes it

    def _start(self) -> None:
        if len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name=f"files-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return  # its caller waited too long
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001  whatever it is, it is the caller's
        future.set_exception(error)
