"""How the table learns from what the sidecars tell."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from dte.interlink import wire
from dte.interlink.api.owners import Owners
from dte.interlink.api.ownership import Ownership, OwnershipTable
from dte.interlink.watch.lines import PodLine
from dte.interlink.wire import Creator
from dte.runtime.errors import Unavailable

VEGA = Creator("CN=ca", "CN=vk.vega")
NOW = 1_700_000_000
DAY = 86400


def line(uid: str, creator: Creator | None = VEGA, owner: str = "cluster/node1", *, deleted: bool = False) -> PodLine:
    return PodLine(wire.PodStatus("p", uid, "climate", "1", ()), 1, deleted, owner, creator)


def row(uid: str, account: str = "twin01", *, created_at: int = NOW, deleted_at: int | None = None) -> Ownership:
    return Ownership(uid, VEGA, "cluster/node1", account, created_at, deleted_at)


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[OwnershipTable]:
    opened = OwnershipTable(tmp_path)
    await opened.open()
    yield opened
    await opened.close()


def owners_of(table: OwnershipTable) -> Owners:
    return Owners(table, ["twin01", "twin02"], clock=lambda: NOW)


async def test_an_empty_table_waits_for_every_account(table: OwnershipTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dte.interlink.api.owners.PATIENCE_S", 0)
    owners = owners_of(table)
    await owners.learn("twin01", [line("a"), line("b")])
    assert owners.account_of("a") == "twin01"
    await owners.heard("twin01")
    with pytest.raises(Unavailable, match="not heard from the sidecars of twin02"):
        await owners.require_all()
    assert len(table) == 0, "cut short, it must begin again"
    await owners.learn("twin02", [line("c", deleted=True)])
    await owners.heard("twin02")
    await owners.require_all()
    assert set(table.rows()) == {row("a"), row("b"), row("c", "twin02", deleted_at=NOW)}


async def test_a_pod_that_went_during_a_rebuild_has_no_row(table: OwnershipTable) -> None:
    owners = owners_of(table)
    await owners.learn("twin01", [line("a")])
    await owners.forget("twin01", ["a"])
    for account in ("twin01", "twin02"):
        await owners.heard(account)
    assert len(table) == 0


async def test_a_table_with_rows_serves_and_learns_at_once(table: OwnershipTable) -> None:
    await table.claim(row("a"))
    owners = owners_of(table)
    await owners.require_all()
    await owners.learn("twin02", [line("b")])
    assert table.find("b") == row("b", "twin02")


@pytest.mark.parametrize("other", [Creator("CN=ca", "CN=other"), None])
async def test_what_the_table_says_stands(table: OwnershipTable, other: Creator | None) -> None:
    await table.claim(row("a"))
    await owners_of(table).learn("twin02", [line("a", other, "cluster/node9")])
    assert table.rows() == (row("a"),)


async def test_a_pod_that_the_site_adopted_belongs_to_nobody(table: OwnershipTable) -> None:
    await table.claim(row("a"))
    owners = owners_of(table)
    await owners.learn("twin01", [line("b", None, "")])
    assert owners.account_of("b") is None


async def test_a_record_without_owner_id_is_its_creators(table: OwnershipTable) -> None:
    await table.claim(row("a"))
    await owners_of(table).learn("twin01", [line("b", owner="")])
    assert table.find("b") == replace(row("b"), owner="CN=vk.vega")


async def test_a_delete_that_the_table_missed_is_marked(table: OwnershipTable) -> None:
    await table.claim(row("a"))
    await owners_of(table).learn("twin01", [line("a", deleted=True)])
    assert table.find("a") == row("a", deleted_at=NOW)


async def test_only_the_pods_own_sidecar_makes_its_row_go(table: OwnershipTable) -> None:
    await table.claim(row("a"))
    owners = owners_of(table)
    await owners.forget("twin02", ["a"])
    assert table.find("a") is not None
    await owners.forget("twin01", ["a"])
    assert table.find("a") is None


@pytest.mark.parametrize(
    ("old", "told", "live", "goes"),
    [
        pytest.param(row("a", deleted_at=NOW - 8 * DAY), False, False, True, id="deleted long ago"),
        pytest.param(row("a", deleted_at=NOW - 8 * DAY), True, True, False, id="its sidecar still tells of it"),
        pytest.param(row("a", deleted_at=NOW - 6 * DAY), False, True, False, id="deleted lately"),
        pytest.param(row("a", created_at=NOW - 8 * DAY), False, True, True, id="its record went unseen"),
        pytest.param(row("a", created_at=NOW - 8 * DAY), False, False, False, id="its sidecar is silent"),
        pytest.param(row("a", created_at=NOW - 60), False, True, False, id="its create may be under way"),
    ],
)
async def test_when_a_row_may_go(table: OwnershipTable, old: Ownership, told: bool, live: bool, goes: bool) -> None:
    await table.adopt([old])
    outdated = owners_of(table).outdated(NOW - 7 * DAY, told=lambda _: told, live=lambda _: live)
    assert outdated == (["a"] if goes else [])
