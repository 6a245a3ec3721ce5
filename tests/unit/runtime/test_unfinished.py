"""Work that outlives its caller."""

import asyncio

import pytest

from dte.runtime.errors import Refused
from dte.runtime.unfinished import Unfinished


async def test_a_caller_that_leaves_does_not_stop_the_work() -> None:
    unfinished, begun, go, done = Unfinished(), asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        begun.set()
        await go.wait()
        done.append("saved")

    caller = asyncio.create_task(unfinished.run(work()))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    await unfinished.settled()
    assert done == ["saved"]


async def test_results_and_errors_reach_the_caller() -> None:
    async def refuse() -> None:
        raise Refused("no")

    unfinished = Unfinished()
    assert await unfinished.run(asyncio.sleep(0, "result")) == "result"
    with pytest.raises(Refused, match="no"):
        await unfinished.run(refuse())
