"""The owner file of a job root: one sidecar at a time, without flock (which some Lustre mounts lack). Blocks."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from dte.runtime.errors import BadOutput, ConfigError, Unavailable
from dte.runtime.files import read_regular, write_atomic
from dte.runtime.process_identity import ProcessIdentity, start_time, this_process

OWNER_FILE: Final = ".owner.json"
MAX_OWNER_BYTES: Final = 4096


def take_root(root: Path) -> ProcessIdentity:
    """Make this process the owner of `root`.

    Raises ConfigError when another sidecar owns it, or may: one on another host cannot be asked. Raises Unavailable
    when it is not there, or not the account's: an empty mount point looks like that. It is made only in a directory of
    the account, for one that is made in an empty mount point would look as if all jobs were gone.
    """
    try:
        if root.parent.stat().st_uid == os.geteuid():
            root.mkdir(mode=0o700, exist_ok=True)
        if root.stat().st_uid != os.geteuid():
            raise Unavailable(f"DataRootFolder {root} belongs to another account; is its file system mounted?")
        me = this_process()
        path = root / OWNER_FILE
        if not _claim(path, me):
            other = _read(path)
            if other is not None and other != me:
                _require_dead(other, me, path)
            write_atomic(path, _encode(me), mode=0o600)
        if _read(path) != me:
            raise ConfigError([f"{root}: another sidecar took it at the same moment; start one only"])
    except FileNotFoundError as e:
        raise Unavailable(
            f"DataRootFolder {root} is not there; make it as the account, or mount its file system"
        ) from e
    except OSError as e:
        raise Unavailable(f"DataRootFolder {root}: {e.strerror}") from e
    return me


def require_owned(root: Path, me: ProcessIdentity) -> None:
    """Raise Unavailable unless `root` still has this process's owner file.

    Without it the file system is not mounted any more, or another sidecar took the root: what is missing here says
    nothing about a job, and what is written is lost or somebody else's.
    """
    try:
        owner = _read(root / OWNER_FILE)
    except (OSError, ConfigError) as e:
        raise Unavailable(f"job root {root}: {e}") from e
    if owner is None:
        raise Unavailable(
            f"job root {root}: its owner file is gone; is the file system mounted? Restart if it was removed"
        )
    if owner != me:
        raise Unavailable(f"job root {root}: another sidecar took it (host {owner.host}, pid {owner.pid}); stop one")


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
        return decode_owner(read_regular(path, MAX_OWNER_BYTES))
    except FileNotFoundError:
        return None
    except BadOutput as e:
        raise ConfigError([f"{e}; remove it"]) from e


def decode_owner(data: bytes) -> ProcessIdentity | None:
    """Whom an owner file names; None for one that was cut off."""
    try:
        return msgspec.json.decode(data, type=ProcessIdentity)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
