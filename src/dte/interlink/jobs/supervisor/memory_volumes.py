"""emptyDir volumes in memory: a tmpfs for each, held by a process in namespaces of its own.

Nothing of them is left on the node however the job ends: with the last process in the namespaces they are gone.
Containers are started inside those namespaces.
"""

import os
import select
import subprocess
import sys
from typing import Any, Dict, List

from .launcher import join_neighbour

HOLD = b"echo $$; exec cat"
"""Says its process id, which /proc needs, and lasts as long as its standard input."""
ENTER = "import sys; sys.path[:0] = sys.argv[1:2]; from supervisor.memory_volumes import enter; enter(sys.argv[2:])"


class HolderFailed(Exception):
    """The volumes cannot be made; the text says why."""


class Holder:
    """The process that holds the volumes of one pod."""

    def __init__(self, directory: str, limits: List[Dict[str, Any]], bwrap: str, limit_s: float) -> None:
        """Make all that is_memory of `limits`. Blocks up to `limit_s`; raises HolderFailed."""
        command = [bwrap.encode(), b"--die-with-parent", b"--dev-bind", b"/", b"/"]
        for limit in limits:
            if limit["size_bytes"] is not None:
                command += [b"--size", b"%d" % limit["size_bytes"]]
            command += [b"--tmpfs", os.fsencode(directory) + b"/" + limit["directory"].encode()]
        try:
            self.process = subprocess.Popen(
                [*command, b"--", b"/bin/sh", b"-c", HOLD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise HolderFailed("emptyDir in memory: %s: %s" % (bwrap, error.strerror)) from error
        words = self._first_words(limit_s)
        if not words.strip().isdigit():
            self.process.kill()
            self.process.wait()
            raise HolderFailed("emptyDir in memory: " + (words.strip() or "bubblewrap did not come up"))
        self.pid = int(words)
        self.process.returncode = 0  # not for subprocess to wait for: the reactor does

    def _first_words(self, limit_s: float) -> str:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], limit_s)[0]:
            return ""
        return os.read(self.process.stdout.fileno(), 4096).decode("utf-8", "replace")

    @property
    def root(self) -> bytes:
        """Where its file system can be seen from outside."""
        return b"/proc/%d/root" % self.pid

    def wrapper(self, archive: str) -> List[bytes]:
        """The command in front of a container's own: it enters the namespaces."""
        python = [os.fsencode(sys.executable), b"-I", b"-S", b"-c", ENTER.encode()]
        return [*python, os.fsencode(archive), b"%d" % self.pid]


def enter(words: List[str]) -> None:
    """Run the command behind the process id in the namespaces of that process."""
    join_neighbour(int(words[0]))
    os.execvp(words[1], words[1:])  # noqa: S606 - no shell is what is wanted
