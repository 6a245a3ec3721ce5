"""A relational database for services: SQLite in the state directory by default, PostgreSQL by URL.

Blocking SQLAlchemy in a bounded number of threads, one trip to a thread for each piece of work.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from dte.runtime.errors import ConfigError, Conflict, Malformed, Unavailable

log = structlog.get_logger()

T = TypeVar("T")

READERS = 4
"""Threads, and connections, that read at once."""
WRITERS = {"sqlite": 1, "postgresql": 4}
"""SQLite has one writer at a time anyway; a queue of ours is fairer than its busy loop."""
WAITING = 512
"""Pieces of work that may wait for a thread; one more is told to come again."""
TIMEOUT_S = 10.0
"""Whoever asks is told to come again after this long. The work itself ends by the limits below."""
BUSY_TIMEOUT_MS = 5000
"""How long SQLite waits for another process that writes, a command line for instance."""
STATEMENT_TIMEOUT_MS = 8000


def sqlite_url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


def database_url(text: str) -> URL:
    """The URL that a configuration names, with our driver. Raises ValueError with what to write."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError("write postgresql://USER@HOST/DATABASE or sqlite:////absolute/path") from None
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database and Path(url.database).is_absolute():
        return url
    raise ValueError("write postgresql://USER@HOST/DATABASE or sqlite:////absolute/path")


class Database:
    """Engines and threads of one database; every error leaves as one of ours.

    Unavailable: locked, full, down, too slow (nothing was changed, or the caller cannot know). Conflict: a rule of the
    schema. Malformed: a value that the database cannot hold.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.backend = url.get_backend_name()
        writers = WRITERS[self.backend]
        self._readers = _Threads(READERS, "database-read")
        self._writers = _Threads(writers, "database-write")
        self._read_engine = _engine(url, READERS, isolation_level="AUTOCOMMIT")
        self._write_engine = _engine(url, writers)
        self._quick: sqlite3.Connection | None = None
        """Of the event loop's thread, kept open."""
        self._texts: dict[Select[Any], tuple[str, Sequence[str]]] = {}
        if self.backend == "sqlite":
            event.listen(self._write_engine, "begin", _begin_immediate)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """`work` on a connection that commits by itself; each statement sees the newest state."""
        return await self._readers.run(lambda: self.read_now(work))

    async def rows_quick(self, statement: Select[Any], values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Rows of a statement that finds a few by an index, and whose columns are plain numbers and texts.

        SQLite is asked by its driver in the event loop's own thread (30 us; SQLAlchemy in a thread takes 400):
        in WAL mode a reader waits for nobody but the disk. What it would have to wait for, and PostgreSQL, take `read`.
        """
        if self.backend == "sqlite":
            text, names = self._compiled(statement)
            with _translated():
                try:
                    return self._quick_connection().execute(text, [values[name] for name in names]).fetchall()
                except sqlite3.OperationalError:  # a recovery after a crash holds the lock, for instance
                    self._close_quick()
        return await self.read(lambda connection: connection.execute(statement, dict(values)).all())

    def _compiled(self, statement: Select[Any]) -> tuple[str, Sequence[str]]:
        found = self._texts.get(statement)
        if found is None:
            compiled = statement.compile(dialect=self._read_engine.dialect)
            found = self._texts[statement] = (str(compiled), tuple(compiled.positiontup or ()))
        return found

    def _quick_connection(self) -> sqlite3.Connection:
        if self._quick is None:
            self._quick = sqlite3.connect(str(self.url.database), timeout=0, isolation_level=None)
            _set_up_sqlite(self._quick, None)
        return self._quick

    def _close_quick(self) -> None:
        if self._quick is not None:
            self._quick.close()
            self._quick = None

    async def write(self, work: Callable[[Connection], T]) -> T:
        """`work` in one transaction, which is on disk when this returns and leaves nothing when it raises.

        A caller that goes away does not stop it: it is done or undone as a whole.
        """
        return await self._writers.run(lambda: self.write_now(work))

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Like `read`, in this thread."""
        with _translated(), self._read_engine.connect() as connection:
            return work(connection)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Like `write`, in this thread."""
        with _translated(), self._write_engine.begin() as connection:
            return work(connection)

    def prepare_file(self) -> None:
        """Make SQLite's file for its owner alone, before anything opens it. Raises ConfigError."""
        if self.backend != "sqlite":
            return
        path = Path(str(self.url.database))
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise ConfigError([f"database: cannot write {path}: {error.strerror}"]) from error

    def close(self) -> None:
        """Take no more work and close the connections."""
        self._readers.close()
        self._writers.close()
        self._close_quick()
        self._read_engine.dispose()
        self._write_engine.dispose()


class _Threads:
    def __init__(self, count: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._limit = count + WAITING
        self._held = 0

    async def run(self, work: Callable[[], T]) -> T:
        if self._held >= self._limit:
            raise Unavailable("the database is busy; try again")
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, work)
        self._held += 1
        future.add_done_callback(self._given_back)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await asyncio.shield(future)
        except TimeoutError as error:
            raise Unavailable(f"the database did not answer within {TIMEOUT_S:g} s; try again") from error

    def _given_back(self, future: asyncio.Future[Any]) -> None:
        self._held -= 1
        if not future.cancelled():
            future.exception()  # nobody may wait for it any more

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)


def _engine(url: URL, connections: int, **options: Any) -> Engine:
    limits: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": TIMEOUT_S}
    if url.get_backend_name() == "sqlite":
        # A connection goes from thread to thread of its engine, never to two at once.
        engine = create_engine(
            url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}, **limits, **options
        )
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    arguments = {
        "connect_timeout": 5,
        "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
        "application_name": "dte",
    }
    return create_engine(url, pool_pre_ping=True, connect_args=arguments, **limits, **options)


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's `begin` below opens transactions, not the driver
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -16000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and takes the lock later fails at once instead of waiting for its turn.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"the database refuses it: {_reason(error)}") from error
    except DataError as error:
        raise Malformed("a value that the database cannot hold") from error
    except PoolTimeout as error:
        raise Unavailable("the database is busy; try again") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        reason = _reason(error)
        log.warning("database_failed", error=reason)
        raise Unavailable(f"the database does not work ({reason}); try again") from error


def _reason(error: SQLAlchemyError | sqlite3.Error) -> str:
    """The driver's words without statement and values: those hold what people sent."""
    if isinstance(error, SQLAlchemyError):
        cause: object = error.orig if isinstance(error, DBAPIError) else type(error).__name__
    else:
        cause = error
    return str(cause).partition("\n")[0]
