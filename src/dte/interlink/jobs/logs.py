"""The log of a container as kubectl asks for it: tail, since, timestamps, limits, follow."""

from collections.abc import AsyncIterator, Callable

from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.wire import LogRequest
from dte.runtime.files import FilePool


async def open_log(
    directory: JobDirectory, request: LogRequest, *, pool: FilePool, is_terminal: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Find the log and where it starts, then return an iterator over its bytes.

    `is_terminal` is asked while following: true once the container's pod will not write any more; what was written
    until then is still sent. Before anything is sent it raises NotFound for a container that the pod does not have,
    Refused for a previous log that does not exist or a bad time, Unavailable when the file system hangs. The iterator
    may raise Unavailable, too; it may be dropped at any point.
    """
    raise NotImplementedError
