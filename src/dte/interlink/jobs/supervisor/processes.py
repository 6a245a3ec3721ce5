"""Ends of processes, and the processes that others leave behind."""

import contextlib
import os
import signal
import time
from typing import List, NamedTuple, Optional


class Child:
    """A process of ours: a container's program, or the bubblewrap that waits for it and passes its exit code on."""

    def __init__(self, pid: int, group: Optional[int]) -> None:
        self.pid = pid
        self.group = group
        """The program: leader of its session and process group. None: not known yet."""


class Ending(NamedTuple):
    exit_code: int
    signal: Optional[int]


def ending(wait_status: int) -> Ending:
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        return Ending(128 + number, number)
    return Ending(os.WEXITSTATUS(wait_status), None)


def send_to_group(child: Child, number: int) -> None:
    """Signal a program with all of its process group; before it is there, what is to become it."""
    with contextlib.suppress(PermissionError):
        try:
            os.killpg(child.group or child.pid, number)
        except ProcessLookupError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)


def kill_session(child: Child) -> None:
    """Kill what is left of a program that has ended."""
    if child.group is None:
        return
    if child.pid == child.group:
        send_to_group(child, signal.SIGKILL)
    kill_children(session=child.group)


def kill_children(session: Optional[int] = None) -> None:
    """Kill our children, of one session or all, and theirs as they become ours."""
    for _ in range(100):
        children = living_children(session)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        if not children:
            return
        time.sleep(0.002)


def living_children(session: Optional[int]) -> List[int]:
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as file:
                fields = file.read().rsplit(b")", 1)[1].split()
        except (OSError, IndexError):
            continue
        state, parent, its_session = fields[0], int(fields[1]), int(fields[3])
        if parent == os.getpid() and state not in (b"Z", b"X") and session in (None, its_session):
            found.append(int(name))
    return found
