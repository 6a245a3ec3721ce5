"""Starts programs by way of `launcher`, in front of it bubblewrap or nothing."""

import contextlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
from typing import Optional, Sequence, Tuple

from .launcher import START_FAILED, Program, StartFailed, read_all
from .processes import Child
from .sandbox import shown

PACKAGE = __name__.rpartition(".")[0]  # Python 3.6 sets __package__ in archives too late
LAUNCHER = pkgutil.get_data(PACKAGE, "launcher.py") or b""


class Launch:
    """A program on its way: `child` is there at once, `result` waits for the rest."""

    def __init__(self, program: Program, wrapper: Sequence[bytes], log: int) -> None:
        """Start it behind the command `wrapper`, output to descriptor `log`. Raises OSError."""
        self.program = program
        self.has_wrapper = bool(wrapper)
        self.complaints, complain = os.pipe()
        self.control, theirs = socket.socketpair()
        try:
            os.set_blocking(self.complaints, False)
            pid = start_launcher(wrapper, theirs.fileno(), log, complain)
        except OSError:
            os.close(self.complaints)
            self.control.close()
            raise
        finally:
            theirs.close()
            os.close(complain)
        self.child = Child(pid, None if wrapper else pid)

    def result(self) -> int:
        """Process id of the program once it runs. Blocks; raises StartFailed, after which `child` ends."""
        with os.fdopen(self.complaints, "rb") as words, self.control:
            group, failure = converse(self.control, self.program)
            if failure is not None:
                raise StartFailed(failure[0], "ContainerCannotRun", failure[1])
            if group is not None:
                return group
            message = (words.read(4096) or b"").decode("utf-8", "replace").strip()
        reason = "MountsUnavailable" if self.has_wrapper else "ContainerCannotRun"
        raise StartFailed(START_FAILED, reason, message or "the launcher ended without a word")


def start_launcher(wrapper: Sequence[bytes], control: int, log: int, complain: int) -> int:
    """Run `launcher` in a Python of its own. Its source is its input: a mount may hide the job directory."""
    interpreter = [os.fsencode(sys.executable), b"-I", b"-S", b"-", b"%d" % control, b"%d" % log]
    child = subprocess.Popen(
        [*wrapper, *interpreter], stdin=subprocess.PIPE, stdout=complain, stderr=complain, pass_fds=(control, log)
    )
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError), child.stdin:
        child.stdin.write(LAUNCHER)
    child.returncode = 0  # not for subprocess to wait for: the reactor does
    return child.pid


def converse(control: socket.socket, program: Program) -> Tuple[Optional[int], Optional[Tuple[int, str]]]:
    """Tell the launcher what to run. Returns the program's process id, and exit code and reason if it did not start.

    The id is None when not even the launcher came up. The end of its side means that the program runs.
    """
    with contextlib.suppress(OSError):  # it is gone: what it said before it went counts
        control.sendall(json.dumps(program).encode())
        control.shutdown(socket.SHUT_WR)
    words = read_all(control.fileno()).split(b"\n", 1)
    if len(words) < 2:
        return None, None
    if not words[1]:
        return int(words[0]), None
    code, reason = json.loads(words[1].decode())
    return int(words[0]), (code, reason)


def sandbox_problem(bwrap: bytes, limit_s: float) -> Optional[str]:
    """Why this node cannot make mounts; None when it can. Blocks, and waits for its own child."""
    try:
        trial = subprocess.Popen(
            [bwrap, b"--dev-bind", b"/", b"/", b"--", os.fsencode(sys.executable), b"-I", b"-S", b"-c", b""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        complaint = trial.communicate(timeout=limit_s)[1].decode("utf-8", "replace").strip()
    except OSError as error:
        return "bubblewrap (%s) is not usable on this node: %s" % (shown(bwrap), error.strerror)
    except subprocess.TimeoutExpired:
        trial.kill()
        return "bubblewrap did not come up within %g s: does a file system of this node hang?" % limit_s
    if trial.returncode == 0:
        return None
    return "bubblewrap cannot make mounts on this node, are user namespaces off? It says: " + complaint[-1000:]
