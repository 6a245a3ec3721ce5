"""The owner file of a job root: one sidecar at a time, without flock (which some Lustre mounts lack). Blocks."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from dte.runtime.errors import ConfigError
from dte.runtime.files import write_atomic

OWNER_FILE: Final = ".owner.json"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_START_TIME_FIELD: Final = 19
"""starttime in /proc/PID/stat, counted after the closing bracket of the name (proc(5): field 22)."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One process, unmistakably: pids are reused, host names are not proof of a boot."""

    host: str
    boot_id: str
    pid: int
    started: int
    """Start time in clock ticks since boot."""


def this_process() -> Owner:
    """The owner that this process is."""
    pid = os.getpid()
    return Owner(socket.gethostname(), _BOOT_ID.read_text().strip(), pid, start_time(pid) or 0)


def take_root(root: Path) -> Owner:
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


def release_root(root: Path, me: Owner) -> None:
    """Give up `root` if this process still owns it. Never raises: at the worst the next start finds a dead owner."""
    with contextlib.suppress(OSError):
        if _read(root / OWNER_FILE) == me:
            (root / OWNER_FILE).unlink()


def _claim(path: Path, me: Owner) -> bool:
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


def _require_dead(other: Owner, me: Owner, path: Path) -> None:
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


def start_time(pid: int) -> int | None:
    """When a process of this host started, in clock ticks since boot; None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[_START_TIME_FIELD])
    except (OSError, IndexError, ValueError):
        return None


def _encode(owner: Owner) -> bytes:
    return msgspec.json.encode(owner)


def _read(path: Path) -> Owner | None:
    """None for a file that is gone or was cut off: nobody's."""
    try:
        raw: Any = msgspec.json.decode(path.read_bytes(), type=Owner)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    assert isinstance(raw, Owner)
    return raw
