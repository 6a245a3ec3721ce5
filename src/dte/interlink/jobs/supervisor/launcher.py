"""Becomes the program of a container: a Python of its own, at the place where the program is to run.

It is given this module alone, on its standard input, as a mount may hide the job directory: it imports nothing of ours,
and little else, for each container and each command of a probe pays for it.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
from typing import List, NamedTuple, NoReturn, Optional, Tuple

START_FAILED, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
"""Exit codes of a container whose program never ran, as shells have them."""

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


class StartFailed(Exception):
    """A container's program did not start."""

    def __init__(self, exit_code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.reason = reason


class Program(NamedTuple):
    """What becomes a container, or a command in one."""

    argv: List[str]
    environment: List[Tuple[str, str]]
    directory: str
    fallback_directory: Optional[str]
    """None: the pod asks for `directory`, so that a container without it does not start."""
    umask: int
    neighbour: Optional[int] = None
    """Process id of a running program whose file system this one is to share; None: it runs where the launcher is."""


def launch(control: int, log: int) -> NoReturn:
    """Become the program that the other end of the control socket tells us to become."""
    os.set_inheritable(control, False)
    os.setsid()
    set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.write(control, b"%d\n" % os.getpid())
    program = Program(*json.loads(read_all(control).decode()))
    try:
        become(program, log)
    except OSError as error:
        code = NOT_FOUND if isinstance(error, (FileNotFoundError, NotADirectoryError)) else NOT_EXECUTABLE
        reason = "%s: %s" % (program.argv[0], error.strerror)
        os.write(control, json.dumps([code, reason]).encode())
    except StartFailed as failure:
        os.write(control, json.dumps([failure.exit_code, str(failure)]).encode())
    os._exit(START_FAILED)


def become(program: Program, log: int) -> NoReturn:
    """Replace this process. Raises OSError about the program, StartFailed about the place where it is to run."""
    if program.neighbour is not None:
        join_neighbour(program.neighbour)
    enter(program)
    os.umask(program.umask)
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, standard)
    for number in (nothing, log):
        os.set_inheritable(number, number <= 2)
    # Python ignores some, whoever started the job's shell perhaps others, and programs would inherit that.
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):  # KILL, STOP, and two that belong to the C library
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    argv = [word.encode() for word in program.argv]
    environment = {name.encode(): value.encode() for name, value in program.environment}
    os.execvpe(argv[0], argv, environment)  # noqa: S606 - no shell is what is wanted


def enter(program: Program) -> None:
    try:
        os.chdir(program.directory.encode())
    except OSError as error:
        if program.fallback_directory is None:
            message = "working directory %s: %s" % (program.directory, error.strerror)
            raise StartFailed(NOT_EXECUTABLE, "ContainerCannotRun", message) from error
        os.chdir(program.fallback_directory.encode())


def join_neighbour(pid: int) -> None:
    """Enter the namespaces that bubblewrap made for the process `pid`, with no more rights than it has."""
    kinds = ("user", "mnt")  # in this order: only who is in the first has the right to enter the second
    try:
        places = {kind: os.open("/proc/%d/ns/%s" % (pid, kind), os.O_RDONLY) for kind in kinds}
        for kind in kinds:
            if not os.path.samestat(os.fstat(places[kind]), os.stat("/proc/self/ns/" + kind)):
                join_namespace(places[kind])
    except OSError as error:
        raise StartFailed(START_FAILED, "CannotJoin", "cannot enter the container: %s" % error.strerror) from error
    set_process_option(PR_SET_NO_NEW_PRIVS, 1)


def join_namespace(descriptor: int) -> None:
    """setns(2), which Python has from 3.12 on. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def read_all(descriptor: int) -> bytes:
    """All that comes until the other end is closed, or gone."""
    parts: List[bytes] = []
    while True:
        try:
            part = os.read(descriptor, 1 << 16)
        except ConnectionError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


def set_process_option(option: int, value: int) -> None:
    """prctl(2), where the C library can be reached; without it less is cleaned up after a kill -9."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    launch(int(sys.argv[1]), int(sys.argv[2]))
