"""Writes a planned job to its directory. Blocks: call it through a FilePool."""

import os
from pathlib import Path

import msgspec

from dte.interlink.jobs.archive import supervisor_archive
from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.spec import JobPlan
from dte.runtime.files import sync_directory, write_atomic


def write_job(plan: JobPlan, directory: JobDirectory) -> None:
    """Make the directory (0700) if need be and write everything of `plan` into it, and make the notice directory.

    Repeating it, also after a crash at any point, gives the same files; other files in the directory, as the record,
    stay. When it returns, spec, script and supervisor are on disk. Raises OSError.
    """
    _make_directory(directory.path)
    _make_directory(directory.notices)
    for name in plan.directories:
        _make_directory(directory.path / name)
    for file in plan.files:
        path = directory.path / file.path
        _make_directory(path.parent)
        _replace(path, file.data, file.mode)
    write_atomic(directory.supervisor, supervisor_archive(), 0o600)
    write_atomic(directory.spec, msgspec.json.encode(plan.spec), 0o600)
    write_atomic(directory.script, plan.script, 0o700)
    sync_directory(directory.root)


def _make_directory(path: Path) -> None:
    """Private to the account, whatever the umask; so is what lies in it."""
    if not path.is_dir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)


def _replace(path: Path, data: bytes, mode: int) -> None:
    """As write_atomic, but not waiting for the disk: after a crash before the submit all is written again."""
    temporary = path.with_name(f".{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.write_bytes(data)
    temporary.chmod(mode)
    temporary.replace(path)
