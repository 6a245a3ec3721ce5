"""How a notice is heard of: by file events where there are any, else by listing."""

import asyncio
import contextlib
import os
import time

import pytest

from dte.interlink.sidecars.slurm import notice_watch
from dte.interlink.sidecars.slurm.keeper import WATCHED_INTERVAL_S
from dte.interlink.sidecars.slurm.notice_watch import FileEvents, NoticeWatch, why_not
from dte.interlink.sidecars.slurm.notices import remove_stale, take_notices
from tests.unit.interlink_slurm.pods import UID

LIMIT_S = 10


class Told:
    """What a keeper is told."""

    def __init__(self):
        self.is_told_of_notices = False
        self.count = 0

    def notices_soon(self):
        self.count += 1

    async def until(self, holds):
        async with asyncio.timeout(LIMIT_S):
            while not holds(self):
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def watching(site, mode=FileEvents.ALWAYS):
    told = Told()
    task = asyncio.create_task(NoticeWatch(site.root, site.pool, told, mode=mode).run())
    try:
        yield told
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_notice_is_told_of_when_it_appears_and_not_when_it_is_taken(site):
    async with watching(site) as told:
        await told.until(lambda told: told.is_told_of_notices)
        before = told.count
        temporary = site.root / ".notices" / f"{UID}.1.tmp"
        temporary.write_text("1\n")
        temporary.rename(temporary.with_name(UID))
        await told.until(lambda told: told.count > before)

        assert take_notices(site.root / ".notices") == {UID}


async def test_a_directory_that_was_replaced_is_watched_anew(site, monkeypatch):
    monkeypatch.setattr(notice_watch, "CHECK_S", 0.05)
    async with watching(site) as told:
        await told.until(lambda told: told.is_told_of_notices)
        (site.root / ".notices").rename(site.root / "old")
        await told.until(lambda told: not told.is_told_of_notices)
        await told.until(lambda told: told.is_told_of_notices)
        before = told.count
        (site.root / ".notices" / UID).write_text("1\n")

        await told.until(lambda told: told.count > before)


@pytest.mark.parametrize(
    ("kind", "mode", "is_watched"),
    [
        ("ext4", FileEvents.AUTO, True),
        ("nfs4", FileEvents.AUTO, False),
        ("fuse.sshfs", FileEvents.AUTO, False),
        ("", FileEvents.AUTO, False),
        ("nfs4", FileEvents.ALWAYS, True),
        ("ext4", FileEvents.NEVER, False),
    ],
)
def test_only_a_file_system_that_hears_of_every_write_is_watched(kind, mode, is_watched):
    assert (why_not(mode, kind) is None) is is_watched


async def test_without_events_nothing_is_told(site):
    async with watching(site, FileEvents.NEVER) as told:
        (site.root / ".notices").mkdir(exist_ok=True)
        (site.root / ".notices" / UID).touch()
        await asyncio.to_thread(time.sleep, 0.1)

        assert (told.is_told_of_notices, told.count) == (False, 0)


async def test_where_events_come_the_directory_is_listed_only_now_and_then(site):
    await site.create()
    site.keeper.is_told_of_notices = True
    await site.keeper.tick()
    site.write_status(main=3, over=True)
    await site.keeper.tick()
    assert site.state()[0] == "waiting"

    site.clock.now += WATCHED_INTERVAL_S
    await site.keeper.tick()

    assert site.state()[0] == "terminated"


async def test_an_event_ends_the_pod_at_once_and_asks_nothing_of_the_queue(site):
    await site.create()
    site.keeper.is_told_of_notices = True
    await site.keeper.tick()
    site.write_status(main=3, over=True)
    site.keeper.notices_soon()

    await site.keeper.tick()

    assert site.state()[1]["exitCode"] == 3
    assert site.batch.called("queue") == []


def test_files_that_are_no_notices_stay(tmp_path):
    for name in (UID, f"{UID}.7.tmp", ".hidden", "x"):
        (tmp_path / name).touch()

    assert take_notices(tmp_path) == {UID}
    assert {path.name for path in tmp_path.iterdir()} == {f"{UID}.7.tmp", ".hidden", "x"}
    assert take_notices(tmp_path / "missing") == frozenset()


def test_a_notice_that_cannot_be_removed_is_still_read(tmp_path):
    (tmp_path / UID).mkdir()

    assert take_notices(tmp_path) == {UID}


def test_notices_that_were_never_finished_go_after_a_day(tmp_path):
    for name, age_s in (("old.tmp", 90000), ("new.tmp", 100), (UID, 90000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)

    remove_stale(tmp_path, time.time())

    assert {path.name for path in tmp_path.iterdir()} == {"new.tmp", UID}
