"""The same ALISE over PostgreSQL, whose instances share it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from dte.alise import audit, links, sessions
from dte.alise.opened import MIGRATIONS
from dte.alise.records import Person
from dte.alise.schema import METADATA
from dte.runtime.database import Database, database_url
from dte.runtime.errors import Conflict, Malformed
from dte.runtime.migrations import upgrade
from tests.integration.alise.postgres import running_postgres
from tests.unit.alise.conftest import KEY, LOGIN_AT, add_key, linked, record
from tests.unit.alise.site import CONFIG, DEMO, Site


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_postgres() as made:
        yield made


@pytest.fixture
def site(url: str, tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path, CONFIG.replace("db_name = alise", f"url = {url}"))
    yield made
    made.database.write_now(
        lambda connection: [connection.execute(table.delete()) for table in reversed(METADATA.sorted_tables)]
    )
    made.close()


def test_instances_that_start_together_migrate_once(url: str) -> None:
    def start(_: int) -> list[object]:
        database = Database(database_url(url))
        upgrade(database, MIGRATIONS)
        found = database.read_now(lambda c: compare_metadata(MigrationContext.configure(c), METADATA))
        database.close()
        return found

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(start, range(3))) == [[], [], []]


async def test_a_look_up_is_answered_and_wrong_ones_are_not(site: Site) -> None:
    linked(site.database, record(site.database, "alice", "alice1"), Person(DEMO, "a/b"))
    add_key(site, KEY)
    path = "/api/v1/target/fac/mapping/issuer/cacf747aa0b06d924453aaf75ab14aa5430c0a2b/user/"
    status, _, body = await site.get(f"{path}a%2Fb?apikey={KEY}")
    assert (status, json.loads(body)["internal"]["username"]) == (200, "alice1")
    assert (await site.get(f"{path}nobody?apikey={KEY}"))[0] == 401
    assert (await site.get(f"{path}%00?apikey={KEY}%00"))[0] == 401
    await site.core.write_key_uses()
    assert site.database.read_now(lambda c: c.execute(text("SELECT last_used_at > 0 FROM api_key")).scalar_one())


async def test_two_instances_that_link_one_identity_end_with_one_owner(site: Site, url: str) -> None:
    accounts = [record(site.database, name, name) for name in ("one", "two")]
    other = Database(database_url(url))

    def take(database: Database, number: int) -> str:
        try:
            database.write_now(lambda c: links.link(c, accounts[number], Person(DEMO, "prize"), LOGIN_AT))
        except Conflict:
            return "conflict"
        return "linked"

    with ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(take, (site.database, other), (0, 1)))
    other.close()
    assert sorted(outcomes) == ["conflict", "linked"]


def test_sessions_audit_and_search_work_alike(site: Site) -> None:
    record(site.database, "alice", "alice1", "Alice Ünal")

    def work(connection: Connection) -> tuple[int, int, int]:
        token, _ = sessions.new_session(connection, now=0, life_s=60)
        audit.record(connection, audit.Origin("fac", "actor"), "link", "100% of it", 1)
        assert sessions.find_session(connection, token, 1) is not None
        found = len(links.search(connection, "fac", "ALICE Ün"))
        return found, len(audit.entries(connection, "fac", "100%")), sessions.forget_expired(connection, 100)

    assert site.database.write_now(work) == (1, 1, 1)


def test_a_value_that_it_cannot_hold_is_the_callers_fault(site: Site) -> None:
    with pytest.raises(Malformed):
        record(site.database, "a", "a", "x\0y")
