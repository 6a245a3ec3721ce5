"""The table of pods and their owners, on a real disk."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dte.interlink.api.ownership import Ownership, OwnershipTable
from dte.interlink.wire import Creator
from dte.runtime.errors import ConfigError, Unavailable

VEGA = Creator("CN=ca", "CN=vk.vega")
ROW = Ownership("11111111-1111-4111-8111-111111111111", VEGA, "cluster/node1", "twin01", 1_700_000_000)


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[OwnershipTable]:
    opened = OwnershipTable(tmp_path)
    await opened.open()
    yield opened
    await opened.close()


async def reopened(directory: Path) -> OwnershipTable:
    again = OwnershipTable(directory)
    await again.open()
    return again


async def test_a_claim_is_found_again_by_the_next_process(tmp_path: Path) -> None:
    first = await reopened(tmp_path)
    assert await first.claim(ROW) == ROW
    await first.close()
    second = await reopened(tmp_path)
    assert second.find(ROW.pod_uid) == ROW
    await second.close()


async def test_a_second_claim_gets_the_first_row(table: OwnershipTable) -> None:
    await table.claim(ROW)
    other = replace(ROW, creator=Creator("CN=ca", "CN=other"), account="twin02")
    assert await table.claim(other) == ROW


async def test_of_claims_at_once_one_wins_for_all(table: OwnershipTable) -> None:
    wanted = [replace(ROW, owner=f"cluster/node{number}") for number in range(20)]
    got = await asyncio.gather(*(table.claim(row) for row in wanted))
    assert len(set(got)) == 1
    assert len(table) == 1


async def test_a_deleted_pod_stays_known_until_it_is_forgotten(tmp_path: Path) -> None:
    table = await reopened(tmp_path)
    await table.claim(ROW)
    await table.mark_deleted(ROW.pod_uid, 2000)
    await table.mark_deleted(ROW.pod_uid, 3000)
    assert table.rows() == (replace(ROW, deleted_at=2000),)
    await table.forget([ROW.pod_uid])
    assert table.find(ROW.pod_uid) is None
    await table.close()
    again = await reopened(tmp_path)
    assert len(again) == 0
    await again.close()


async def test_adopted_rows_are_found_again_and_change_no_other(tmp_path: Path) -> None:
    table = await reopened(tmp_path)
    await table.claim(ROW)
    learnt = replace(ROW, pod_uid="2", deleted_at=5)
    await table.adopt([replace(ROW, account="twin02"), learnt])
    await table.close()
    again = await reopened(tmp_path)
    assert set(again.rows()) == {ROW, learnt}
    await again.close()


async def test_deleting_an_unknown_pod_changes_nothing(table: OwnershipTable) -> None:
    await table.mark_deleted(ROW.pod_uid, 1)
    assert len(table) == 0


@pytest.mark.parametrize(
    ("creator", "owner", "is_own"),
    [
        pytest.param(VEGA, "cluster/node1", True, id="same"),
        pytest.param(VEGA, "cluster/node2", False, id="other node"),
        pytest.param(Creator("CN=other ca", "CN=vk.vega"), "cluster/node1", False, id="other issuer"),
        pytest.param(Creator("CN=ca", "CN=vk.juelich"), "cluster/node1", False, id="other subject"),
    ],
)
def test_a_row_is_of_its_creator_with_its_owner_id(creator: Creator, owner: str, is_own: bool) -> None:
    assert ROW.is_of(creator, owner) is is_own


async def test_a_second_process_is_told_that_the_table_is_in_use(table: OwnershipTable, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ownership\.sqlite3 is in use by another process: stop the other"):
        await reopened(tmp_path)


async def test_a_newer_schema_is_not_touched(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ownership.sqlite3") as database:
        database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(ConfigError, match="has schema 7, this release knows 1: run the newer release"):
        await reopened(tmp_path)


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ownership.sqlite3").write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigError, match="is damaged"):
        await reopened(tmp_path)


async def test_a_missing_parent_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"StateDirectory: cannot write .*no/such/ownership"):
        await reopened(tmp_path / "no" / "such")


async def test_the_file_is_for_the_daemon_alone(table: OwnershipTable, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "ownership.sqlite3").stat().st_mode) == 0o600


async def test_a_disk_that_refuses_is_something_to_try_again(table: OwnershipTable) -> None:
    huge = replace(ROW, owner="x" * (1 << 20))
    await _execute(table, "PRAGMA max_page_count = 1")
    with pytest.raises(Unavailable, match=r"cannot write its table of pods: .*full"):
        await table.claim(huge)
    assert table.find(ROW.pod_uid) is None


async def test_what_a_full_disk_refused_of_adopted_rows_is_written_later(tmp_path: Path) -> None:
    table = await reopened(tmp_path)
    learnt = [replace(ROW, pod_uid=str(number), owner="x" * 1000) for number in range(100)]
    await _execute(table, "PRAGMA max_page_count = 1")
    await table.adopt(learnt)
    assert set(table.rows()) == set(learnt), "they are true all the same"
    with pytest.raises(Unavailable):
        await table.claim(ROW)
    await _execute(table, "PRAGMA max_page_count = 1000000")
    await table.claim(ROW)
    await table.close()
    again = await reopened(tmp_path)
    assert set(again.rows()) == {*learnt, ROW}
    await again.close()


async def _execute(table: OwnershipTable, statement: str) -> None:
    await asyncio.wrap_future(table._thread.submit(lambda: table._open_database().execute(statement).close()))
