"""The log of a container as kubectl asks for it: tail, since, timestamps, limits, follow."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

import msgspec

from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.log_files import LogReader, Selection
from dte.interlink.wire import LogOptions, LogRequest
from dte.runtime.errors import BadOutput, Malformed, NotFound, Refused, Unavailable
from dte.runtime.files import FilePool, read_regular

P = ParamSpec("P")
T = TypeVar("T")

POLL_S = 0.5
MAX_SPEC_BYTES = 64 << 20
"""More than any create request may hold."""


async def open_log(
    directory: JobDirectory, request: LogRequest, *, pool: FilePool, is_terminal: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Find the log, then return an iterator over its bytes.

    `is_terminal` is asked while following: true once the container's pod will not write any more; what was written
    until then is still sent. Before anything is sent it raises NotFound for a container that the pod does not have,
    Refused for a previous log that does not exist, Malformed for a bad time. Both it and the iterator may raise
    Unavailable when the file system hangs or fails, and BadOutput when something else is in a file's place. The
    iterator may be dropped at any point. A log that has not begun is
    empty; followed, it is waited for. Following ends with the run that is followed, as kubelet's does, when the
    container is restarted.
    """
    selection = select(request.options, now_ns=time.time_ns())
    reader = await _run(pool, _find, directory, request, selection)
    return _pieces(reader, pool, is_terminal, follow=request.options.follow and not request.options.previous)


def select(options: LogOptions, *, now_ns: int) -> Selection:
    """Raises Malformed for a time that is not RFC 3339."""
    since_ns = None
    if options.since_seconds is not None:
        since_ns = now_ns - options.since_seconds * 10**9
    elif options.since_time is not None:
        since_ns = unix_ns(options.since_time)
    return Selection(options.tail, since_ns, options.limit_bytes, options.timestamps)


def unix_ns(text: str) -> int:
    """RFC 3339 to Unix time in nanoseconds. Python's parser keeps microseconds: later digits are dropped."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError) as error:
        raise Malformed(f"not an RFC 3339 time: {text!r:.80}") from error


class _KnownContainer(msgspec.Struct):
    name: str
    kind: str


class _KnownContainers(msgspec.Struct):
    containers: list[_KnownContainer]


def _find(directory: JobDirectory, request: LogRequest, selection: Selection) -> LogReader:
    name = request.container
    init = _is_init(directory, request)
    if not request.options.previous:
        return LogReader(directory.log(name, init=init), directory.log_index(name, init=init), selection)
    path = directory.previous_log(name, init=init)
    if not path.exists():
        raise Refused(f"container {name} of pod {request.namespace}/{request.pod_name} has not been restarted")
    return LogReader(path, directory.previous_log_index(name, init=init), selection)


def _is_init(directory: JobDirectory, request: LogRequest) -> bool:
    """Whether the container is an init container. The specification knows, or, without one, the files do."""
    try:
        known = msgspec.json.decode(read_regular(directory.spec, MAX_SPEC_BYTES), type=_KnownContainers)
    except FileNotFoundError:
        kinds = {init for init in (False, True) if directory.log(request.container, init=init).exists()}
    except msgspec.DecodeError as error:
        raise BadOutput(f"{directory.spec} is damaged: {error}") from error
    else:
        kinds = {item.kind == "init" for item in known.containers if item.name == request.container}
    if not kinds:
        raise NotFound(f"pod {request.namespace}/{request.pod_name} has no container {request.container!r:.80}")
    return kinds.pop()


async def _run(pool: FilePool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await pool.run(function, *args, **kwargs)
    except OSError as error:
        raise Unavailable(f"the log cannot be read: {error}") from error


async def _pieces(
    reader: LogReader, pool: FilePool, is_terminal: Callable[[], bool], *, follow: bool
) -> AsyncIterator[bytes]:
    while True:
        was_terminal = is_terminal()  # asked before the read: what came last is in it
        piece = await _run(pool, reader.read)
        if piece:
            yield piece
        elif not follow or was_terminal or reader.is_done:
            return
        else:
            await asyncio.sleep(POLL_S)
