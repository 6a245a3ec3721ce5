"""Which process that is, for records that outlive it: pids are reused, and host names are no proof of a boot."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE: Final = Path("/proc/self/ns/pid")
_START_TIME_FIELD: Final = 19
"""starttime in /proc/PID/stat, counted after the closing bracket of the name (proc(5): field 22)."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, unmistakably."""

    host: str
    boot_id: str
    pid: int
    started: int
    """Start time in clock ticks since boot."""
    pid_namespace: str = ""
    """In which `pid` counts: two containers of one boot both have a pid 1."""


def this_process() -> ProcessIdentity:
    """The identity of this process."""
    pid = os.getpid()
    return ProcessIdentity(
        socket.gethostname(), _BOOT_ID.read_text().strip(), pid, start_time(pid) or 0, str(_PID_NAMESPACE.readlink())
    )


def this_process_or_unknown() -> ProcessIdentity:
    """The same where /proc may be hidden: then one that no other process takes for one that it knows."""
    try:
        return this_process()
    except OSError:
        return ProcessIdentity(socket.gethostname(), f"unknown-{uuid.uuid4()}", os.getpid(), 0)


def start_time(pid: int) -> int | None:
    """When a process of this host started, in clock ticks since boot; None when there is none that we may see."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[_START_TIME_FIELD])
    except (OSError, IndexError, ValueError):
        return None


def is_alive(other: ProcessIdentity, me: ProcessIdentity) -> bool | None:
    """Whether `other` runs; None when `me` cannot tell: another host, another container, or a boot before this."""
    if (other.boot_id, other.pid_namespace) != (me.boot_id, me.pid_namespace):
        return None
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # another account's, and so there
    started = start_time(other.pid)
    return started is None or started == other.started
