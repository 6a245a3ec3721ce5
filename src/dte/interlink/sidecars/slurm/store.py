"""The sidecar's files: records, status files, notices. Everything here that touches the shared file system."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import structlog

from dte.interlink.jobs.directory import NOTICES, JobDirectory, list_job_directories
from dte.interlink.jobs.prepare import write_job
from dte.interlink.jobs.spec import JobPlan
from dte.interlink.jobs.status import MAX_STATUS_BYTES, JobStatus, parse_status
from dte.interlink.wire import Creator
from dte.runtime.errors import BadOutput, Unavailable
from dte.runtime.files import FilePool, read_regular, sync_directory, write_atomic
from dte.runtime.process_identity import ProcessIdentity

from . import upstream
from .life import State
from .metrics import BAD_OUTPUT
from .notices import remove_stale, take_notices
from .owner import require_owned
from .parse import is_job_id
from .record import Maker, Record, decode_record, encode_record
from .settings import AdoptedSettings
from .upstream import ENVIRONMENT_SUFFIX, JOB_ID_FILE, NAMESPACE_FILE, POD_UID_FILE

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

MAX_RECORD_BYTES: Final = 1 << 22
DIRECTORIES_PER_CALL: Final = 100
"""Read at start in one file operation: each has its time limit, and there may be thousands."""
BLOCK_BYTES: Final = 512
"""Of st_blocks, whatever the file system's own blocks are (stat(2))."""
SECRET_DIRECTORIES: Final = ("secrets", "projectedVolumeMaps")


@dataclass(frozen=True, slots=True)
class Found:
    """A record as read at start, with its job's status file where the job is not over."""

    record: Record
    files: JobStatus | None
    has_leftovers: bool
    """The job is over, but what goes with its end (secrets, tokens) is still there: a stop came in between."""


class RecordStore:
    """Records in the job directories under one root. Raises Unavailable when the file system hangs or fails."""

    def __init__(self, root: Path, pool: FilePool, *, adopted: AdoptedSettings | None = None) -> None:
        """`adopted`: to whom directories of upstream's plugin are given; None: to nobody that an API knows."""
        self._root = root
        self._adopted = adopted
        self.owner: ProcessIdentity | None = None
        """Who must own the root when files are missing or made there; None: whoever."""
        self._pool = pool
        self._numbers = itertools.count(1)
        self._guard = threading.Lock()
        self._newest: dict[str, int] = {}
        """UID -> number of the newest write that was begun: one that was stuck must not undo a later one."""

    def directory(self, record: Record) -> JobDirectory:
        """The job directory of a record."""
        return JobDirectory(self._root, record.namespace, record.pod_uid)

    async def load(self) -> tuple[Found, ...]:
        """All records; directories of upstream's plugin get one. What is unreadable is logged and left alone."""
        directories = await self._run(_directories, self._root)
        found: list[Found] = []
        for start in range(0, len(directories), DIRECTORIES_PER_CALL):
            found += await self._run(self._load_some, directories[start : start + DIRECTORIES_PER_CALL])
        return tuple(found)

    async def save(self, record: Record) -> None:
        """Put the record on disk; durable when it returns."""
        await self._run(self._save, record, next(self._numbers))

    async def prepare(self, record: Record, plan: JobPlan) -> None:
        """Make the job directory: first the record, so that a crash leaves no directory without one."""
        await self._run(self._prepare, record, plan, next(self._numbers))

    async def read_files(self, record: Record) -> JobStatus | None:
        """The job's status file; None when there is none that can be read."""
        return await self._run(self._read_files, self.directory(record), record)

    async def read_claim(self, record: Record) -> str | None:
        """The id of the job that claimed the directory; None when none did."""
        return await self._run(_read_claim, self.directory(record))

    async def take_notices(self) -> frozenset[str]:
        """UIDs of pods whose status file changed since the last call."""
        return await self._run(take_notices, self._root / NOTICES)

    async def remove_stale_notices(self, now: float) -> None:
        """Remove notices that nobody finished writing; `now` in Unix seconds."""
        await self._run(remove_stale, self._root / NOTICES, now)

    async def forget_secrets(self, record: Record) -> None:
        """Remove what the job does not need once it is over: secrets, tokens, and the specification with its env."""
        await self._run(_forget_secrets, self.directory(record))

    async def bury(self, record: Record) -> None:
        """Remove everything of the job but its record, which stays as tombstone."""
        await self._run(_bury, self.directory(record))

    async def size_bytes(self, record: Record) -> int:
        """What the job directory takes on disk."""
        return await self._run(_size, self.directory(record))

    async def remove(self, record: Record) -> None:
        """Remove the job directory."""
        await self._run(_remove, self.directory(record))
        self._newest.pop(record.pod_uid, None)

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._pool.run(function, *args, **kwargs)
        except OSError as e:
            raise Unavailable(f"job root {self._root}: {e}") from e

    def _read_files(self, directory: JobDirectory, record: Record) -> JobStatus | None:
        status = _read_status(directory, record)
        if status is None:
            self._require_owned()
        return status

    def _require_owned(self) -> None:
        if self.owner is not None:
            require_owned(self._root, self.owner)

    def _load_some(self, directories: Sequence[JobDirectory]) -> list[Found]:
        found = []
        for directory in directories:
            has_record = os.path.lexists(directory.record)
            record = _read_record(directory) if has_record else self._adopt(directory)
            if record is not None:
                found.append(_found(directory, record))
        return found

    def _adopt(self, directory: JobDirectory) -> Record | None:
        """Give a directory of upstream's plugin a record."""
        where = str(directory.path)
        owner = self._adopted
        try:
            record = upstream.adopted_record(
                directory,
                owner_id=owner.owner if owner else "",
                creator=Creator(owner.issuer, owner.subject) if owner else None,
                now=directory.path.stat().st_mtime,
            )
        except BadOutput as e:
            BAD_OUTPUT.labels("directory").inc()
            log.error("directory_not_adopted", directory=where, error=str(e))
            return None
        if record is None:
            log.warning("directory_without_record", directory=where, hint="not the sidecar's; it is left alone")
            return None
        write_atomic(directory.record, encode_record(record))
        log.info("directory_adopted", directory=where, job_id=record.job_id, state=record.state.value)
        return record

    def _prepare(self, record: Record, plan: JobPlan, number: int) -> None:
        directory = self.directory(record)
        self._save(record, number)
        (directory.path / POD_UID_FILE).write_text(record.pod_uid)
        (directory.path / NAMESPACE_FILE).write_text(record.namespace)
        write_job(plan, directory)

    def _save(self, record: Record, number: int) -> None:
        path = self.directory(record).record
        with self._guard:
            self._newest[record.pod_uid] = max(number, self._newest.get(record.pod_uid, 0))
        if not path.parent.is_dir():  # new, or removed by hand
            self._require_owned()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            sync_directory(self._root)
        if record.job_id:
            write_atomic(path.with_name(JOB_ID_FILE), record.job_id.encode())
        # The check and the rename cannot be one step: a thread may hang in between. Records only move forward,
        # and at start the queue is asked again, so the window costs a repeated look, never a second job.
        if self._newest.get(record.pod_uid, 0) <= number:
            write_atomic(path, encode_record(record))


def read_one(directory: JobDirectory) -> Found | None:
    """A job's record and files, for a command that runs beside the sidecar; None: not ours. Blocks; raises OSError."""
    record = _read_record(directory)
    return None if record is None else _found(directory, record)


def _directories(root: Path) -> list[JobDirectory]:
    return list(list_job_directories(root))


def _read_record(directory: JobDirectory) -> Record | None:
    try:
        record = decode_record(read_regular(directory.record, MAX_RECORD_BYTES))
        if (record.namespace, record.pod_uid) != (directory.namespace, directory.uid):
            raise BadOutput(f"it is of pod {record.namespace}/{record.pod_uid}")
        return record
    except FileNotFoundError:
        return None
    except BadOutput as e:
        BAD_OUTPUT.labels("record").inc()
        log.error("record_unreadable", directory=str(directory.path), error=str(e))
        return None


def _found(directory: JobDirectory, record: Record) -> Found:
    if not record.is_over:
        return Found(record, _read_status(directory, record), has_leftovers=False)
    return Found(record, None, has_leftovers=_has_leftovers(directory, record))


def _read_status(directory: JobDirectory, record: Record) -> JobStatus | None:
    try:
        if record.made_by is Maker.UPSTREAM:
            return upstream.read_status(directory, record)
        return parse_status(read_regular(directory.status, MAX_STATUS_BYTES))
    except FileNotFoundError:
        return None
    except BadOutput as e:
        # The pod's own account can write anything there. It is as good as no file.
        BAD_OUTPUT.labels("status").inc()
        log.warning("status_unreadable", pod_uid=directory.uid, error=str(e))
        return None


def _read_claim(directory: JobDirectory) -> str | None:
    try:
        text = read_regular(directory.claim, 64).decode("ascii", "replace").strip()
    except (FileNotFoundError, BadOutput):
        return None
    return text if is_job_id(text) else None


def _forget_secrets(directory: JobDirectory) -> None:
    _remove_all(directory.path / name for name in _secret_names(directory))


def _secret_names(directory: JobDirectory) -> list[str]:
    """What a job does not need once it is over, as far as it is there."""
    names = [*SECRET_DIRECTORIES, directory.spec.name]
    names += [path.name for path in directory.path.glob(f"*{ENVIRONMENT_SUFFIX}")]
    return [name for name in names if os.path.lexists(directory.path / name)]


def _bury(directory: JobDirectory) -> None:
    _remove_all(entry for entry in directory.path.iterdir() if entry != directory.record)


def _has_leftovers(directory: JobDirectory, record: Record) -> bool:
    if record.state is State.DELETED:
        return any(entry != directory.record for entry in directory.path.iterdir())
    return bool(_secret_names(directory))


def _size(directory: JobDirectory) -> int:
    total = 0
    for parent, _, names in os.walk(directory.path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(parent, name)).st_blocks * BLOCK_BYTES  # noqa: PTH118  one call a file
    return total


def _remove_all(paths: Iterable[Path]) -> None:
    """Remove files and directories; what cannot be removed keeps no other from going. Raises the first OSError."""
    failed: OSError | None = None
    for path in list(paths):
        try:
            if path.is_dir() and not path.is_symlink():
                _remove_tree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as e:
            failed = failed or e
    if failed is not None:
        raise failed


def _remove(directory: JobDirectory) -> None:
    # The record last: what a stop in between leaves is still known, and goes the next time.
    with contextlib.suppress(FileNotFoundError):
        _bury(directory)
    _remove_tree(directory.path)


def _remove_tree(path: Path) -> None:
    """Remove a directory; nothing happens when there is none. Raises OSError.

    Programs make directories that not even their owner may write (Go's module cache is one).
    """
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except PermissionError:
        path.chmod(0o700)
        for parent, names, _ in os.walk(path):
            for name in names:
                _make_writable(Path(parent, name))
        shutil.rmtree(path)


def _make_writable(directory: Path) -> None:
    if not directory.is_symlink():
        directory.chmod(0o700)
