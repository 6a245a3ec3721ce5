"""Commands: time limits, bounds, exit statuses, nothing left behind."""

import sys
import time

import pytest

from dte.runtime.commands import run_command
from dte.runtime.errors import BadOutput, Unavailable


async def test_output_status_and_input_arrive() -> None:
    done = await run_command(["sh", "-c", "cat; echo no >&2; exit 3"], timeout_s=10, stdin=b"hello\n")
    assert (done.status, done.stdout, done.error_text) == (3, b"hello\n", "no")


async def test_a_signal_is_128_and_its_number() -> None:
    assert (await run_command(["sh", "-c", "kill -9 $$"], timeout_s=10)).status == 137


async def test_arguments_reach_the_program_byte_for_byte() -> None:
    hostile = ["$(id)", "a b", "'\"", "\n", "`x`", "../.."]
    done = await run_command([sys.executable, "-c", "import sys; print(sys.argv[1:])", *hostile], timeout_s=10)
    assert done.stdout.decode() == f"{hostile}\n"


async def test_a_slow_command_is_killed_with_its_children() -> None:
    start = time.monotonic()
    with pytest.raises(Unavailable, match="sh did not end within 0.2 s"):
        await run_command(["sh", "-c", "sleep 60 & sleep 60"], timeout_s=0.2)
    assert time.monotonic() - start < 30


async def test_a_command_that_prints_for_ever_is_stopped() -> None:
    with pytest.raises(BadOutput, match="printed more than 1000 bytes"):
        await run_command(["yes"], timeout_s=30, max_output_bytes=1000)


async def test_a_missing_program_is_named() -> None:
    with pytest.raises(Unavailable, match="no-such-program cannot be started"):
        await run_command(["no-such-program"], timeout_s=1)


async def test_a_program_that_does_not_read_its_input_still_answers() -> None:
    assert (await run_command(["true"], timeout_s=10, stdin=b"x" * 1_000_000)).status == 0
