"""A sidecar that dies between two changes of its files: the next one, and all after it, do not happen."""

import os
import sys
import threading
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = frozenset({"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod", "shutil.rmtree"})
OF_THE_SIDECAR = "files"
"""Prefix of the names of its file threads (FilePool). What the test itself writes goes through."""


class Killed(BaseException):
    """Not an Exception: no handler of the sidecar's may outlive a kill."""


class KillSwitch:
    """Counts the changes of files, and kills at the one that it was set to. Set it on the whole process once."""

    def __init__(self) -> None:
        self.left: int | None = None
        """Changes that still happen; None: all."""
        self.is_dead = False
        sys.addaudithook(self._on_event)

    def revive(self) -> None:
        self.left, self.is_dead = None, False

    def _on_event(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.left is None or not _is_change(event, arguments):
            return
        if not threading.current_thread().name.startswith(OF_THE_SIDECAR):
            return
        if self.left == 0:
            self.is_dead = True
            raise Killed(event)
        self.left -= 1


def _is_change(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        path, _, flags = arguments
        return isinstance(path, str | bytes | Path) and isinstance(flags, int) and bool(flags & WRITING)
    return event in CHANGES


SWITCH = KillSwitch()
"""The one of this process: a hook cannot be taken back."""
