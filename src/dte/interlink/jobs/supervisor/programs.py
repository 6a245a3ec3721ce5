"""Starts programs by way of `launcher`, in front of it bubblewrap or nothing."""

import contextlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
from typing import NamedTuple, Optional, Sequence, Tuple

from .launcher import START_FAILED, Program, StartFailed, receive_all
from .sandbox import shown

PACKAGE = __name__.rpartition(".")[0]  # Python 3.6 sets __package__ in archives too late
LAUNCHER = pkgutil.get_data(PACKAGE, "launcher.py") or b""


class Started(NamedTuple):
    child: int
    """Our child: the program, or the bubblewrap that waits for it and passes its exit code on."""
    group: int
    """The program: leader of its session and process group."""


def start_program(program: Program, wrapper: Sequence[bytes], log: int) -> Started:
    """Run `program`, output to descriptor `log`, behind the command `wrapper`. Raises StartFailed, OSError."""
    complaints, complain = os.pipe()
    ours, theirs = socket.socketpair()
    with os.fdopen(complaints, "rb") as words, ours:
        os.set_blocking(complaints, False)
        try:
            child = start_launcher(wrapper, theirs.fileno(), log, complain)
        finally:
            theirs.close()
            os.close(complain)
        group, failure = converse(ours, program)
        if group is not None and failure is None:
            return Started(child, group)
        os.waitpid(child, 0)
        if failure is not None:
            raise StartFailed(failure[0], "ContainerCannotRun", failure[1])
        message = (words.read(4096) or b"").decode("utf-8", "replace").strip()
        reason = "MountsUnavailable" if wrapper else "ContainerCannotRun"
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
    child.returncode = 0  # not for subprocess to wait for: `Supervisor.reap` does
    return child.pid


def converse(control: socket.socket, program: Program) -> Tuple[Optional[int], Optional[Tuple[int, str]]]:
    """Tell the launcher what to run. Returns the program's process id, and exit code and reason if it did not start.

    The id is None when not even the launcher came up. The end of its side means that the program runs.
    """
    with contextlib.suppress(OSError):  # it is gone: what it said before it went counts
        control.sendall(json.dumps(program).encode())
        control.shutdown(socket.SHUT_WR)
    words = receive_all(control).split(b"\n", 1)
    if len(words) < 2:
        return None, None
    if not words[1]:
        return int(words[0]), None
    code, reason = json.loads(words[1].decode())
    return int(words[0]), (code, reason)


def sandbox_problem(bwrap: bytes) -> Optional[str]:
    """Why this node cannot make mounts; None when it can."""
    try:
        trial = subprocess.Popen(
            [bwrap, b"--dev-bind", b"/", b"/", b"--", os.fsencode(sys.executable), b"-I", b"-S", b"-c", b""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        complaint = trial.communicate()[1].decode("utf-8", "replace").strip()
    except OSError as error:
        return "bubblewrap (%s) is not usable on this node: %s" % (shown(bwrap), error.strerror)
    if trial.returncode == 0:
        return None
    return "bubblewrap cannot make mounts on this node, are user namespaces off? It says: " + complaint[-1000:]
