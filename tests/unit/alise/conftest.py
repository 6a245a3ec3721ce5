"""An ALISE with one account and its links."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from dte.alise import keys, links
from dte.alise.records import Account, Person
from dte.runtime.database import Database
from tests.unit.alise.site import DEMO, EGI, FAC, Site

LOGIN_AT = 1795384817
KEY = "abcdefghijklmnopqrstuvwxyzabcdef"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the schema of this release."""
    directory = tmp_path_factory.mktemp("migrated")
    Site(directory).close()
    return directory / "alise.sqlite3"


@pytest.fixture
def empty_site(tmp_path: Path, migrated: Path) -> Iterator[Site]:
    shutil.copy(migrated, tmp_path / "alise.sqlite3")
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def populated(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    """With key KEY, and alice1 (fac:alice) who linked demo:a1b2 and an EGI identity."""
    directory = tmp_path_factory.mktemp("populated")
    shutil.copy(migrated, directory / "alise.sqlite3")
    site = Site(directory)
    account = record(site.database, "alice", "alice1", "Alice Internal", uid=1001)
    linked(site.database, account, Person(DEMO, "a1b2", "Alice External"))
    linked(site.database, account, Person(EGI.rstrip("/"), "0123abcd@egi.eu", "Alice EGI"))
    add_key(site, KEY)
    site.close()
    return directory / "alise.sqlite3"


@pytest.fixture
def site(tmp_path: Path, populated: Path) -> Iterator[Site]:
    """One to change."""
    shutil.copy(populated, tmp_path / "alise.sqlite3")
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, populated: Path) -> Iterator[Site]:
    """The same for tests that change nothing."""
    directory = tmp_path_factory.mktemp("shared")
    shutil.copy(populated, directory / "alise.sqlite3")
    made = Site(directory)
    yield made
    made.close()


def record(database: Database, subject: str, username: str | None, name: str = "", uid: int | None = None) -> Account:
    person = Person(FAC, subject, name, "", username, uid)

    def work(connection: Connection) -> Account:
        found = links.account_by_id(connection, links.record_account(connection, "fac", person, LOGIN_AT))
        assert found is not None
        return found

    return database.write_now(work)


def linked(database: Database, account: Account, person: Person) -> None:
    database.write_now(lambda connection: links.link(connection, account, person, LOGIN_AT))


def add_key(site: Site, key: str, *, expires_at: int | None = None, name: str = "teapot") -> int:
    digest = site.core.key_hash.digest(key)
    return site.database.write_now(
        lambda connection: keys.add_key(
            connection, site="fac", name=name, digest=digest, created_by="test", now=LOGIN_AT, expires_at=expires_at
        )
    ).id
