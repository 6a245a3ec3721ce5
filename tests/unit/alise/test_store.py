"""The schema and its rules; rate limits; what is kept of claims."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from dte.alise import links, sessions
from dte.alise.claims import person_from
from dte.alise.keys import load_key_hash
from dte.alise.rate import MAX_CLIENTS, RateLimit
from dte.alise.records import Person
from dte.alise.schema import METADATA
from dte.alise.sessions import MAX_PENDING, PENDING_LIFE_S, Pending
from dte.identity import InvalidToken
from dte.runtime.errors import ConfigError, Conflict
from tests.unit.alise.conftest import LOGIN_AT, record
from tests.unit.alise.site import DEMO, Site

PENDING = Pending("demo", "fac", "link", "nonce", "verifier", "/fac")


def test_migrations_make_the_tables_that_the_code_expects(empty_site: Site) -> None:
    differences = empty_site.database.read_now(
        lambda connection: compare_metadata(MigrationContext.configure(connection), METADATA)
    )
    assert differences == []


def test_a_state_works_once_for_its_browser_its_provider_and_its_time(empty_site: Site) -> None:
    def work(connection: Connection) -> list[bool]:
        _, mine = sessions.new_session(connection, now=0, life_s=9999)
        _, other = sessions.new_session(connection, now=0, life_s=9999)
        sessions.put_pending(connection, mine, "state", PENDING, 0)
        tries = [
            (other, "demo", 1),
            (mine, "fac", 1),
            (mine, "demo", PENDING_LIFE_S),
            (mine, "demo", 1),
            (mine, "demo", 1),
        ]
        return [sessions.take_pending(connection, who, "state", where, when) is not None for who, where, when in tries]

    assert empty_site.database.write_now(work) == [False, False, False, True, False]


def test_a_browser_has_eight_logins_under_way_at_most_and_all_end(empty_site: Site) -> None:
    def work(connection: Connection) -> tuple[int, int, int]:
        _, session = sessions.new_session(connection, now=0, life_s=60)
        for number in range(20):
            sessions.put_pending(connection, session, str(number), PENDING, number)
        kept = connection.exec_driver_sql("SELECT count(*) FROM pending_login").scalar_one()
        forgotten = sessions.forget_expired(connection, 10_000)
        return kept, forgotten, connection.exec_driver_sql("SELECT count(*) FROM pending_login").scalar_one()

    assert empty_site.database.write_now(work) == (MAX_PENDING, 1, 0)


def test_an_account_has_a_bounded_number_of_links(empty_site: Site) -> None:
    account = record(empty_site.database, "a", "a")

    def work(connection: Connection) -> None:
        for number in range(links.MAX_LINKS + 1):
            links.link(connection, account, Person(DEMO, f"s{number}"), LOGIN_AT)

    with pytest.raises(Conflict, match="at most 64"):
        empty_site.database.write_now(work)


def test_a_search_takes_its_words_literally(shared: Site) -> None:
    def found(words: str) -> int:
        return len(shared.database.read_now(lambda connection: links.search(connection, "fac", words)))

    assert [found(words) for words in ("", "ALICE", "egi.eu", "%", "_", "' OR 1=1 --")] == [1, 1, 1, 0, 0, 0]


def test_a_limit_is_for_each_network_and_refills() -> None:
    now = [0.0]
    limit = RateLimit(burst=2, per_s=1.0, clock=lambda: now[0])
    assert [limit.take("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert limit.take("192.0.2.2")
    assert [limit.take(f"2001:db8::{number}") for number in range(3)] == [True, True, False]
    now[0] = 1.0
    assert [limit.take("192.0.2.1") for _ in range(2)] == [True, False]
    for number in range(MAX_CLIENTS):
        limit.take(str(number))
    assert limit.take("192.0.2.1"), "the longest unseen is forgotten: memory is bounded"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("alice", "alice"),
        ("", None),
        (None, None),
        (7, None),
        ("a/b", None),
        ("-x", None),
        ("a b", None),
        ("a\n", None),
    ],
)
def test_a_user_name_that_cannot_be_one_is_none(shared: Site, value: object, kept: str | None) -> None:
    person = person_from({"sub": "s", "preferred_username": value}, shared.providers.by_name["fac"])
    assert person.username == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [(7, 7), ("7", 7), (True, None), ("x", None), (-1, None), (2**40, None), (None, None), ([7], None)],
)
def test_a_number_of_an_account_is_a_number_or_none(shared: Site, value: object, kept: int | None) -> None:
    assert person_from({"sub": "s", "uid_number": value}, shared.providers.by_name["fac"]).uid == kept


def test_claims_without_a_subject_are_nobody(shared: Site) -> None:
    with pytest.raises(InvalidToken, match="printable ASCII"):
        person_from({"name": "x"}, shared.providers.by_name["fac"])


def test_the_secret_of_keys_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    digest = load_key_hash(None, tmp_path / "state").digest("k")
    assert (tmp_path / "state" / "key-hash-secret").stat().st_mode & 0o777 == 0o600
    assert load_key_hash(None, tmp_path / "state").digest("k") == digest
    (tmp_path / "short").write_bytes(b"x")
    with pytest.raises(ConfigError, match="less than 16 bytes"):
        load_key_hash(tmp_path / "short", tmp_path)
