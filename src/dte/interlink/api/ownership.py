"""Who created which pod, and the account it runs as: one SQLite table, mirrored in memory.

Written and on disk before a create is forwarded, so that a pod never runs at the site without an owner here.
A row stays for a week after a delete: its owner still asks for the pod's last state, and may repeat the delete.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import structlog

from dte.interlink.wire import Creator
from dte.runtime.errors import ConfigError, Unavailable

log = structlog.get_logger()

T = TypeVar("T")

SCHEMA_VERSION = 1
"""Kept in SQLite's user_version; 0 is a new file."""
FILE_NAME = "ownership.sqlite3"
WRITE_TIMEOUT_S = 10.0
"""A disk that does not sync a row within this is one to ask again later."""
BUSY_TIMEOUT_S = 2.0
"""How long a start waits for a predecessor that is still stopping."""
ROWS_KEPT_S = 7 * 86400
"""As long as a sidecar remembers that a pod was deleted (docs/wire/interlink.md)."""

_CREATE_TABLE = """
    CREATE TABLE pod (
        pod_uid TEXT PRIMARY KEY, issuer TEXT NOT NULL, subject TEXT NOT NULL, owner TEXT NOT NULL,
        account TEXT NOT NULL, created_at INTEGER NOT NULL, deleted_at INTEGER
    ) STRICT
"""
_NOTHING: Mapping[str, "Ownership"] = {}
_SELECT = "SELECT pod_uid, issuer, subject, owner, account, created_at, deleted_at FROM pod"
_INSERT = """
    INSERT INTO pod (pod_uid, issuer, subject, owner, account, created_at, deleted_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Ownership:
    """A pod of this site; times are Unix seconds of this host."""

    pod_uid: str
    creator: Creator
    owner: str
    """Owner id: which virtual node of which cluster believes in the pod."""
    account: str
    created_at: int
    deleted_at: int | None = None
    """When the sidecar confirmed a delete; None while nobody deleted it."""

    @property
    def caller(self) -> tuple[str, str, str]:
        """Whose it is: a row never passes to another."""
        return (self.creator.issuer, self.creator.subject, self.owner)

    def is_of(self, creator: Creator, owner: str) -> bool:
        return self.creator == creator and self.owner == owner


class OwnershipTable:
    """The table of one state directory, which one process holds at a time.

    Reads are from memory. Writes run one after the other in one thread and are durable when they return; they
    raise Unavailable when the disk refuses or takes too long, and then nothing may be forwarded.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._rows: dict[str, Ownership] = {}
        self._by_caller: dict[tuple[str, str, str], dict[str, Ownership]] = {}
        self._unsaved: dict[str, Ownership] = {}
        """Adopted rows that the disk refused: they are written with the next change that it takes."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ownership")
        self._database: sqlite3.Connection | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> Sequence[Ownership]:
        """All there are."""
        return tuple(self._rows.values())

    def owned(self, creator: Creator, owner: str) -> Mapping[str, Ownership]:
        """The rows of one caller, by pod UID."""
        return self._by_caller.get((creator.issuer, creator.subject, owner), _NOTHING)

    def find(self, pod_uid: str) -> Ownership | None:
        """None means that this site never took the pod, or forgot it a week after its delete."""
        return self._rows.get(pod_uid)

    async def open(self) -> None:
        """Load or make the table. Raises ConfigError when it cannot be used, with what to do."""
        await asyncio.wrap_future(self._thread.submit(self._open))

    async def close(self) -> None:
        await asyncio.wrap_future(self._thread.submit(self._close))
        self._thread.shutdown()

    async def claim(self, wanted: Ownership) -> Ownership:
        """Record `wanted` unless its pod has a row already; returns the row there is."""
        known = self.find(wanted.pod_uid)
        return known if known is not None else await self._write(lambda: self._insert(wanted))

    async def adopt(self, rows: Sequence[Ownership]) -> None:
        """Add rows that a sidecar's records have; those of pods that are known change nothing.

        A disk that refuses is only logged: the sidecar tells the same again after the next start.
        Raises Unavailable when the disk takes too long.
        """
        await self._write(lambda: self._adopt(rows))

    async def forget(self, pod_uids: Sequence[str]) -> None:
        """Drop the rows of those pods."""
        await self._write(lambda: self._remove(pod_uids))

    async def mark_deleted(self, pod_uid: str, now: int) -> None:
        """Remember the first confirmed delete of a pod; a repeat and an unknown pod change nothing."""
        row = self.find(pod_uid)
        if row is not None and row.deleted_at is None:
            await self._write(lambda: self._mark(pod_uid, now))

    async def _write(self, change: Callable[[], T]) -> T:
        # A caller that goes away does not stop the thread: row and memory change together, in `change`.
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                return await asyncio.wrap_future(self._thread.submit(change))
        except TimeoutError as error:
            raise Unavailable(f"the API's disk did not store a row within {WRITE_TIMEOUT_S:g} s; try again") from error
        except sqlite3.Error as error:
            raise Unavailable(f"the API cannot write its table of pods: {error}; try again") from error

    def _insert(self, row: Ownership) -> Ownership:
        known = self._rows.get(row.pod_uid)
        if known is not None:  # another request was faster
            return known
        with self._transaction() as database:
            database.execute(_INSERT, _values(row))
        self._remember(row)
        return row

    def _adopt(self, rows: Sequence[Ownership]) -> None:
        new = {row.pod_uid: row for row in rows if row.pod_uid not in self._rows}
        for row in new.values():
            self._remember(row)
        self._unsaved.update(new)
        try:
            with self._transaction():
                pass
        except sqlite3.Error as error:
            log.warning("owners_not_saved", count=len(self._unsaved), error=str(error))

    def _mark(self, pod_uid: str, now: int) -> None:
        with self._transaction() as database:
            database.execute("UPDATE pod SET deleted_at = ? WHERE pod_uid = ?", (now, pod_uid))
        self._remember(replace(self._rows[pod_uid], deleted_at=now))

    def _remove(self, pod_uids: Sequence[str]) -> None:
        with self._transaction() as database:
            database.executemany("DELETE FROM pod WHERE pod_uid = ?", [(uid,) for uid in pod_uids])
        for uid in pod_uids:
            row = self._rows.pop(uid, None)
            if row is not None:
                del self._by_caller[row.caller][uid]

    def _remember(self, row: Ownership) -> None:
        self._rows[row.pod_uid] = row
        self._by_caller.setdefault(row.caller, {})[row.pod_uid] = row

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Rows that wait for the disk come first, then the change itself: all or nothing."""
        with self._open_database() as database:
            database.executemany(_INSERT, [_values(row) for row in self._unsaved.values()])
            yield database
        self._unsaved.clear()

    def _open_database(self) -> sqlite3.Connection:
        assert self._database is not None, "open() comes first"
        return self._database

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o750, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._database = _connect(self._path)
            for row in _rows(self._database):
                self._remember(row)
        except OSError as error:
            raise ConfigError([f"StateDirectory: cannot write {self._path}: {error.strerror}"]) from error
        except sqlite3.Error as error:
            raise ConfigError([f"StateDirectory: {_advice(self._path, error)}"]) from error

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # a second process would not see our memory
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        _migrate(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise ConfigError(
            [
                f"StateDirectory: {path} has schema {version}, this release knows {SCHEMA_VERSION}: "
                "run the newer release again, or restore the copy that it made before it changed the table"
            ]
        )
    with database:
        database.execute("BEGIN EXCLUSIVE")
        if version == 0:
            database.execute(_CREATE_TABLE)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _rows(database: sqlite3.Connection) -> Iterator[Ownership]:
    with closing(database.execute(_SELECT)) as cursor:
        for uid, issuer, subject, owner, account, created_at, deleted_at in cursor:
            yield Ownership(uid, Creator(issuer, subject), owner, account, created_at, deleted_at)


def _values(row: Ownership) -> tuple[str | int | None, ...]:
    creator = row.creator
    return (row.pod_uid, creator.issuer, creator.subject, row.owner, row.account, row.created_at, row.deleted_at)


def _advice(path: Path, error: sqlite3.Error) -> str:
    code = error.sqlite_errorname if isinstance(error, sqlite3.DatabaseError) else ""
    if code == "SQLITE_BUSY":
        return f"{path} is in use by another process: stop the other interlink-api or give this one its own directory"
    if code in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return f"{path} is damaged ({error}): restore it from a backup, or move it away to start without owners"
    return f"{path} cannot be used: {error}"
