"""The database of a service: errors of ours, whole transactions, migrations that keep a copy."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, TextClause, text

from dte.runtime.database import Database, database_url, sqlite_url
from dte.runtime.errors import ConfigError, Conflict, Unavailable
from dte.runtime.migrations import upgrade

ENV = "from dte.runtime.migrations import run_migrations\nrun_migrations()\n"
SCRIPT = """
from alembic import op
revision, down_revision = {revision!r}, {down!r}
def upgrade():
    op.execute({statement!r})
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(sqlite_url(tmp_path / "state" / "demo.sqlite3"))
    made.prepare_file()
    made.write_now(lambda connection: connection.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    yield made
    made.close()


def insert(number: int) -> TextClause:
    return text(f"INSERT INTO t VALUES ({number})")


def count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM t")).scalar_one())


async def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(1))
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        await database.write(work)
    assert await database.read(count) == 0


async def test_a_broken_rule_is_a_conflict_that_quotes_no_value(database: Database) -> None:
    await database.write(lambda connection: connection.execute(insert(42)))
    with pytest.raises(Conflict, match=r"UNIQUE constraint failed: t\.n") as caught:
        await database.write(lambda connection: connection.execute(insert(42)))
    assert "42" not in str(caught.value)


async def test_a_lock_held_by_another_process_is_unavailable_and_reads_go_on(database: Database) -> None:
    other = sqlite3.connect(str(database.url.database), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    blocked = asyncio.create_task(database.write(lambda connection: connection.execute(insert(1))))
    assert await database.read(count) == 0
    other.execute("ROLLBACK")
    await blocked
    other.close()
    assert await database.read(count) == 1


async def test_a_full_disk_is_unavailable_and_leaves_the_old_state(database: Database) -> None:
    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 2")
        for number in range(10_000):
            connection.execute(insert(number))

    with pytest.raises(Unavailable, match="full"):
        await database.write(fill)
    assert await database.read(count) == 0


async def test_a_writer_that_goes_away_does_not_stop_the_work(database: Database) -> None:
    task = asyncio.create_task(database.write(lambda connection: connection.execute(insert(1))))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.write(lambda connection: connection.execute(insert(2)))
    assert await database.read(count) == 2


@pytest.mark.parametrize("wrong", ["mysql://h/d", "sqlite:///relative", "sqlite://", "nonsense"])
def test_a_url_that_we_do_not_serve_is_refused_with_what_to_write(wrong: str) -> None:
    with pytest.raises(ValueError, match="write postgresql://"):
        database_url(wrong)


def scripts(directory: Path, *statements: str) -> Path:
    (directory / "versions").mkdir(parents=True, exist_ok=True)
    (directory / "env.py").write_text(ENV)
    for number, statement in enumerate(statements, 1):
        text_ = SCRIPT.format(
            revision=f"{number:04}", down=f"{number - 1:04}" if number > 1 else None, statement=statement
        )
        (directory / "versions" / f"v{number}.py").write_text(text_)
    return directory


def test_migrations_keep_the_rows_and_a_copy_of_the_old_file(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "demo.sqlite3"))
    upgrade(database, scripts(tmp_path / "scripts", "CREATE TABLE t (n INTEGER)"))
    assert (tmp_path / "demo.sqlite3").stat().st_mode & 0o777 == 0o600
    database.write_now(lambda connection: connection.execute(insert(7)))
    assert list(tmp_path.glob("*.before-*")) == []
    upgrade(database, scripts(tmp_path / "scripts", "CREATE TABLE t (n INTEGER)", "ALTER TABLE t ADD COLUMN m INTEGER"))
    rows = database.read_now(lambda connection: connection.execute(text("SELECT n, m FROM t")).all())
    assert [tuple(row) for row in rows] == [(7, None)]
    (copy,) = tmp_path.glob("*.before-*")
    old = sqlite3.connect(copy)
    assert old.execute("SELECT * FROM t").fetchall() == [(7,)]
    old.close()
    database.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "demo.sqlite3"))
    broken = scripts(tmp_path / "scripts", "CREATE TABLE t (n INTEGER)", "CREATE TABLE nonsense (")
    with pytest.raises(ConfigError, match="syntax|incomplete"):
        upgrade(database, broken)
    names = database.read_now(lambda connection: connection.execute(text("SELECT name FROM sqlite_master")).all())
    assert names == []
    database.close()


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "demo.sqlite3"))
    upgrade(database, scripts(tmp_path / "new", "CREATE TABLE t (n INTEGER)", "CREATE TABLE u (n INTEGER)"))
    with pytest.raises(ConfigError, match="newer release"):
        upgrade(database, scripts(tmp_path / "old", "CREATE TABLE t (n INTEGER)"))
    database.close()
