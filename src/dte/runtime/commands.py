"""Other programs, run off the event loop with a time limit and a bound on what they print."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dte.runtime.accounts import Account
from dte.runtime.errors import BadOutput, Unavailable

MAX_OUTPUT_BYTES = 64 << 20
KILL_WAIT_S = 2.0
STDIN, STDOUT, STDERR = range(3)


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended: exit status (128 + signal when killed by one) and all it printed."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def error_text(self) -> str:
        """Standard error as text, blank lines dropped; standard output when there is none."""
        text = (self.stderr or self.stdout).decode(errors="replace")
        return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


async def run_command(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    account: Account | None = None,
    max_output_bytes: int = MAX_OUTPUT_BYTES,
) -> Completed:
    """Run `argv` (no shell) in its own process group until it ends.

    `env` is added to the daemon's environment. With `account` it runs as that one, in `/`, which takes root's rights
    unless it is our own. Raises Unavailable when the program cannot be started
    or does not end within `timeout_s` (its whole group is then killed), BadOutput when it prints more
    than `max_output_bytes`.
    """
    loop = asyncio.get_running_loop()
    try:
        transport, collector = await loop.subprocess_exec(
            lambda: _Collector(max_output_bytes, loop.create_future()),
            *argv,
            env={**os.environ, **(_home_of(account) if account else {}), **(env or {})},
            start_new_session=True,
            **(_identity_of(account) if account else {}),
        )
    except OSError as error:
        raise Unavailable(f"{argv[0]} cannot be started: {error.strerror}") from error
    try:
        _feed(transport, stdin)
        async with asyncio.timeout(timeout_s):
            await asyncio.shield(collector.ended)
    except TimeoutError as error:
        raise Unavailable(f"{argv[0]} did not end within {timeout_s:g} s") from error
    except BadOutput as error:
        raise BadOutput(f"{argv[0]} {error}") from error
    finally:
        await _end(transport, collector)
    status = transport.get_returncode()
    assert status is not None, "all pipes are closed and the process was waited for"
    return Completed(
        status if status >= 0 else 128 - status, bytes(collector.output[STDOUT]), bytes(collector.output[STDERR])
    )


def _identity_of(account: Account) -> dict[str, Any]:
    # Our own directory may be one that the account does not see.
    place: dict[str, Any] = {"cwd": "/"}
    if account.is_ours:
        return place
    return place | {"user": account.uid, "group": account.gid, "extra_groups": account.groups}


def _home_of(account: Account) -> dict[str, str]:
    return {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}


class _Collector(asyncio.SubprocessProtocol):
    """What a command prints; `ended` is done when it has exited and closed its output, or printed too much."""

    def __init__(self, limit: int, ended: asyncio.Future[None]) -> None:
        self.output = {STDOUT: bytearray(), STDERR: bytearray()}
        self.ended = ended
        self.is_gone = asyncio.Event()
        self._limit = limit

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if len(self.output[fd]) + len(data) > self._limit:
            self._finish(BadOutput(f"printed more than {self._limit} bytes"))
        else:
            self.output[fd] += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_gone.set()
        self._finish(exc)

    def _finish(self, error: Exception | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)


def _feed(transport: asyncio.SubprocessTransport, data: bytes) -> None:
    pipe = transport.get_pipe_transport(STDIN)
    assert isinstance(pipe, asyncio.WriteTransport), "standard input is a pipe"
    pipe.write(data)  # a program may end without reading it; its exit status tells
    pipe.close()


async def _end(transport: asyncio.SubprocessTransport, collector: _Collector) -> None:
    """Leave no process and no pipe behind, however run_command ends."""
    if transport.get_returncode() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
    transport.close()
    with contextlib.suppress(TimeoutError):  # stuck in the kernel: the reaper gets it later
        async with asyncio.timeout(KILL_WAIT_S):
            await collector.is_gone.wait()
    if collector.ended.done() and not collector.ended.cancelled():
        collector.ended.exception()  # seen, whatever happened meanwhile
