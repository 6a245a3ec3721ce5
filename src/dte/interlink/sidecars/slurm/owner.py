"""The owner file of a job root: one sidecar at a time, without flock (which some Lustre mounts lack). Blocks."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Final

import msgspec

from dte.runtime.errors import ConfigError
from dte.runtime.files import write_atomic
from dte.runtime.process_identity import ProcessIdentity, start_time, this_process

OWNER_FILE: Final = ".owner.json"


def take_root(root: Path) -> ProcessIdentity:
    """Make this process the owner of `root`, creating the directory if need be.

    Raises ConfigError when another sidecar owns it, or may: one on another host cannot be asked.
    """
    try:
        root.mkdir(mode=0o700, exist_ok=True)
        me = this_process()
        path = root / OWNER_FILE
        if not _claim(path, me):
            other = _read(path)
            if other is not None and other != me:
                _require_dead(other, me, path)
            write_atomic(path, _encode(me), mode=0o600)
        if _read(path) != me:
            raise ConfigError([f"{root}: another sidecar took it at the same moment; start one only"])
    except OSError as e:
        raise ConfigError([f"DataRootFolder: {root}: {e.strerror}; it must belong to the account"]) from e
    return me


def release_root(root: Path, me: ProcessIdentity) -> None:
    """Give up `root` if this process still owns it. Never raises: at the worst the next start finds a dead owner."""
    with contextlib.suppress(OSError):
        if _read(root / OWNER_FILE) == me:
            (root / OWNER_FILE).unlink()


def _claim(path: Path, me: ProcessIdentity) -> bool:
    """Whether the file did not exist and is ours now: link(2) is atomic, on NFS too."""
    temporary = path.with_name(f"{OWNER_FILE}.{me.host}.{me.pid}")
    write_atomic(temporary, _encode(me), mode=0o600)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _require_dead(other: ProcessIdentity, me: ProcessIdentity, path: Path) -> None:
    if other.host != me.host:
        raise ConfigError(
            [
                f"{path}: the job root is owned by a sidecar on host {other.host} (pid {other.pid}); "
                "stop that one, or remove the file if that host is gone"
            ]
        )
    alive = other.boot_id == me.boot_id and start_time(other.pid) == other.started
    if alive:
        raise ConfigError([f"{path}: the job root is owned by pid {other.pid} of this host; stop that sidecar first"])


def _encode(owner: ProcessIdentity) -> bytes:
    return msgspec.json.encode(owner)


def _read(path: Path) -> ProcessIdentity | None:
    """None for a file that is gone or was cut off: nobody's."""
    try:
        return decode_owner(path.read_bytes())
    except FileNotFoundError:
        return None


def decode_owner(data: bytes) -> ProcessIdentity | None:
    """Whom an owner file names; None for one that was cut off."""
    try:
        raw: Any = msgspec.json.decode(data, type=ProcessIdentity)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    assert isinstance(raw, ProcessIdentity)
    return raw
