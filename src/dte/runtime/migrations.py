"""Bring a database to the schema of this release with Alembic; a copy of SQLite's file is made first."""

import contextlib
import io
import sqlite3
import time
from pathlib import Path

import structlog
from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from dte.runtime.database import Database
from dte.runtime.errors import ConfigError, DteError

log = structlog.get_logger()

LOCK_KEY = 0x647465
"""Of PostgreSQL's advisory lock: instances that start together migrate one after the other."""


def upgrade(database: Database, scripts: Path) -> None:
    """Run the migrations of the package directory `scripts` (an `env.py` there calls `run_migrations`). Blocks.

    Raises ConfigError for a schema that is newer than this release, and for a database that cannot be used.
    """
    database.prepare_file()
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    head = ScriptDirectory.from_config(config).get_current_head()
    try:
        current = database.read_now(_current)
        if current == head:
            return
        _refuse_newer(config, current)
        backup = _backup(database, current)
        database.write_now(lambda connection: _upgrade(connection, config))
    except ConfigError:
        raise
    except DteError as error:
        raise ConfigError([f"database: {error}"]) from error
    log.info("database_migrated", before=current, after=head, backup=str(backup) if backup else None)


def run_migrations() -> None:
    """What `env.py` of every scripts directory calls: the connection is ours, and so is its transaction."""
    context.configure(connection=context.config.attributes["connection"])
    with context.begin_transaction():
        context.run_migrations()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection, config: Config) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_newer(config: Config, current: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise ConfigError(
            [
                f"database: its schema {current} is of a newer release: run that one again, "
                "or restore the copy made before the change (*.before-*)"
            ]
        )


def _backup(database: Database, current: str | None) -> Path | None:
    """A consistent copy of an SQLite file that holds something; None where there is nothing to copy."""
    if database.backend != "sqlite" or current is None:
        return None
    path = Path(str(database.url.database))
    copy = path.with_name(f"{path.name}.before-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    copy.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy
