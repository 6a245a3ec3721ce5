"""Other programs, run off the event loop with a time limit and a bound on what they print."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dte.runtime.errors import BadOutput, Unavailable

MAX_OUTPUT_BYTES = 64 << 20
KILL_WAIT_S = 2.0


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
    max_output_bytes: int = MAX_OUTPUT_BYTES,
) -> Completed:
    """Run `argv` (no shell) in its own process group until it ends.

    `env` is added to the daemon's environment. Raises Unavailable when the program cannot be started
    or does not end within `timeout_s` (its whole group is then killed), BadOutput when it prints more
    than `max_output_bytes`.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"{argv[0]} cannot be started: {error.strerror}") from error
    out = asyncio.ensure_future(_read(process.stdout, max_output_bytes))
    err = asyncio.ensure_future(_read(process.stderr, max_output_bytes))
    feed = asyncio.ensure_future(_feed(process, stdin))
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(out, err, feed)
            status = await process.wait()
    except TimeoutError as error:
        raise Unavailable(f"{argv[0]} did not end within {timeout_s:g} s") from error
    except BadOutput as error:
        raise BadOutput(f"{argv[0]} {error}") from error
    finally:
        for part in (out, err, feed):
            part.cancel()
        await _end(process)
    return Completed(status if status >= 0 else 128 - status, out.result(), err.result())


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None, "stdin is a pipe"
    # A program may end without reading its input; its exit status tells.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _read(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    assert stream is not None, "output is a pipe"
    chunks: list[bytes] = []
    size = 0
    while chunk := await stream.read(1 << 16):
        size += len(chunk)
        if size > limit:
            raise BadOutput(f"printed more than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave no process behind, however run_command ends."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):  # stuck in the kernel: the reaper gets it later
        async with asyncio.timeout(KILL_WAIT_S):
            await process.wait()
