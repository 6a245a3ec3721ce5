"""Runs the containers of a pod inside its batch job: `python3 supervisor.py JOB_ID`.

This file is copied into the job directory and runs on the compute node, so it is one file, needs nothing but the
standard library and keeps to Python 3.6. It reads spec.json beside it; what it writes, when, and what its exit codes
mean is in docs/wire/job-directory.md.

Containers are its children, each in a session of its own. Signals are blocked in all of its threads and taken one by
one in `Supervisor.wait`, so that nothing happens between two lines that do not expect it. A container is started by a
second run of this file (`launch`), inside bubblewrap when it has mounts: only there can the program's session, signals
and start errors be had exactly. Text from the spec is encoded as UTF-8 here, whatever the locale of the node.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from typing import Any, Dict, Iterable, List, NamedTuple, NoReturn, Optional, Sequence, Set, Tuple

SCHEMA = 1
HELD_BY_ANOTHER_JOB = 73
"""Exit code of a job that found the pod's directory claimed: it has run nothing."""
START_FAILED, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
"""Exit codes of a container whose program never ran, as shells have them."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
FORWARDED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
WATCHED_SIGNALS = frozenset((signal.SIGCHLD, *STOP_SIGNALS, *FORWARDED_SIGNALS))
FAR_AWAY_S = 3600.0

GPU_CHOICES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK")
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", *GPU_CHOICES)
INHERITED_PREFIX = "SLURM_"
NEVER_INHERITED = ("SLURM_JWT", "SLURM_EXPORT_ENV")
"""A credential, and what would make srun start its tasks without the container's variables."""


class MountRefused(Exception):
    """This mount cannot be made; the text is for the pod's author."""


class StartFailed(Exception):
    """A container's program did not start."""

    def __init__(self, exit_code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.reason = reason


def say(text: str) -> None:
    """A line for job.out, which the site's staff reads."""
    print("supervisor: " + text, flush=True)  # noqa: T201 - there is no logging library on a compute node


# Files


def write_whole(path: str, data: bytes) -> None:
    """A reader, or a crash, meets the old content of `path` or `data`, whole. Raises OSError."""
    temporary = "%s.%d.tmp" % (path, os.getpid())
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def replace_file(path: str, data: bytes) -> None:
    """As write_whole, for what nobody misses after a crash of the node."""
    temporary = "%s.%d.tmp" % (path, os.getpid())
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def claim(directory: str, job_id: str) -> str:
    """The id of the job that may run this directory's pod: `job_id` unless another one came first.

    Under the id it already holds, a job that was requeued gets "its" claim again.
    """
    mine, shared = os.path.join(directory, "claim." + job_id), os.path.join(directory, "claim")
    write_whole(mine, (job_id + "\n").encode())
    # NFS says FileExistsError also to a link that it made when its answer got lost: the content decides.
    with contextlib.suppress(FileExistsError):
        os.link(mine, shared)
    with open(shared, "rb") as file:
        return file.read(4096).decode("utf-8", "replace").strip()


def rfc3339(moment: Optional[float]) -> Optional[str]:
    if moment is None:
        return None
    return "%s.%06dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)), int(moment % 1 * 1000000))


def go_time(moment: float) -> bytes:
    """Upstream's layout in its .time files, `2006-01-02 15:04:05.999999999 -0700 MST`."""
    whole = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))
    return ("%s.%06d +0000 UTC" % (whole, int(moment % 1 * 1000000))).encode()


# Mounts: pure, but for what `HostFiles` looks at


class Mount(NamedTuple):
    """A file or directory of the job directory, to be seen at `target` in the container. Absolute paths."""

    source: bytes
    target: bytes
    read_only: bool


class MountPoint(NamedTuple):
    """Something to make inside a volume before another volume can be mounted there."""

    path: bytes
    is_directory: bool


class HostFiles:
    """What mount planning asks about the compute node's file system. Raises OSError where it may not look."""

    def kind(self, path: bytes) -> Optional[str]:
        """One of "directory", "link" and "file" (all else); None when there is nothing."""
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        return "directory" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "file"

    def link_target(self, path: bytes) -> bytes:
        return os.readlink(path)

    def children(self, path: bytes) -> List[bytes]:
        return sorted(os.listdir(path))

    def is_scratch(self, path: bytes) -> bool:
        """A directory as /tmp, where everybody may write."""
        return os.stat(path).st_mode & 0o1002 == 0o1002


class Sandbox:
    """The file system of one container: the node's own, with the pod's mounts in it.

    A mount point that the node lacks is made without touching the node: its deepest existing ancestor becomes a tmpfs
    into which all that is in that directory is bound back. The tmpfs is read-only, so that a program which means to
    write to the node's directory fails instead of losing its results, unless it is one as /tmp.
    """

    MAX_CHILDREN = 2000
    MAX_LINKS = 40
    UNCHANGEABLE = (b"/proc", b"/sys")

    def __init__(self, look: HostFiles, directory: bytes) -> None:
        self.look = look
        self.directory = directory
        self.mounts: Dict[bytes, Mount] = {}
        self.links: Set[bytes] = set()
        self.rebuilt: Set[bytes] = set()
        self.mount_points: List[MountPoint] = []

    def add(self, mount: Mount) -> None:
        """Plan one mount; shorter targets must come first. Raises MountRefused, OSError."""
        source_kind = self.source_kind(mount.source)
        found, missing = self.resolve(target_parts(mount.target))
        place = join(found, *missing)
        if place == b"/":
            raise MountRefused("a volume cannot be mounted over /")
        if place in self.mounts or any(is_inside(other, place) for other in (*self.mounts, *self.links)):
            raise MountRefused("a mount at %s would hide another one" % shown(mount.target))
        if missing:
            self.make_room(found, missing, source_kind)
        elif (self.kind(found) == "directory") != (source_kind == "directory"):
            raise MountRefused(
                "%s is a %s on this node, the volume a %s" % (shown(mount.target), self.kind(found), source_kind)
            )
        self.mounts[place] = mount

    def source_kind(self, source: bytes) -> str:
        """Kind of a source, which must lie in the job directory without a link on the way."""
        path = self.directory
        kind: Optional[str] = "directory"
        for part in source[len(self.directory) :].split(b"/")[1:]:
            path, kind = join(path, part), self.look.kind(join(path, part)) if kind == "directory" else None
        if kind not in ("directory", "file"):
            raise MountRefused("the volume's %s is gone, or a link is in its place" % shown(source))
        return str(kind)

    def resolve(self, parts: List[bytes]) -> Tuple[bytes, List[bytes]]:
        """The deepest place that exists on the way to a target, free of links, and what is missing behind it."""
        here, links = b"/", 0
        while parts:
            candidate = join(here, parts[0])
            kind = self.kind(candidate)
            if kind is None:
                if b".." in parts:
                    raise MountRefused("a link on the way leads nowhere: %s" % shown(candidate))
                return here, [part for part in parts if part not in (b"", b".")]
            if kind == "link":
                links += 1
                if links > self.MAX_LINKS or self.volume_at(candidate) is not None:
                    raise MountRefused("%s is a link that cannot be followed" % shown(candidate))
                self.links.add(candidate)
                target = self.look.link_target(candidate)
                here = b"/" if target.startswith(b"/") else here
                here, parts = self.step(here, target.split(b"/") + parts[1:])
                continue
            here, parts = self.step(candidate, parts[1:])
        return here, parts

    @staticmethod
    def step(here: bytes, parts: List[bytes]) -> Tuple[bytes, List[bytes]]:
        """Take leading empty, "." and ".." components, which only links have."""
        while parts and parts[0] in (b"", b".", b".."):
            here = os.path.dirname(here) if parts[0] == b".." else here
            parts = parts[1:]
        return here, parts

    def kind(self, place: bytes) -> Optional[str]:
        return self.look.kind(self.backing(place)) or ("directory" if self.is_made(place) else None)

    def is_made(self, place: bytes) -> bool:
        """On the way to a mount that is planned already."""
        return any(is_inside(other, place) for other in self.mounts)

    def volume_at(self, place: bytes) -> Optional[bytes]:
        """The innermost mount in which `place` lies, if any."""
        holders = [other for other in self.mounts if place == other or is_inside(place, other)]
        return max(holders, key=len) if holders else None

    def backing(self, place: bytes) -> bytes:
        """Where on the node that is found which the container will see at `place`."""
        holder = self.volume_at(place)
        return place if holder is None else self.mounts[holder].source + place[len(holder) :]

    def make_room(self, found: bytes, missing: List[bytes], source_kind: str) -> None:
        if self.kind(found) != "directory":
            raise MountRefused("%s is not a directory" % shown(found))
        if self.volume_at(found) is not None:
            backing = self.backing(found)
            for count in range(1, len(missing) + 1):
                is_directory = count < len(missing) or source_kind == "directory"
                self.mount_points.append(MountPoint(join(backing, *missing[:count]), is_directory))
            return
        if self.look.kind(found) is None:
            return  # made for another mount, so it is in a tmpfs
        if any(found == fixed or is_inside(found, fixed) for fixed in self.UNCHANGEABLE):
            raise MountRefused("no mount point can be made in %s" % shown(found))
        if len(self.look.children(found)) > self.MAX_CHILDREN:
            raise MountRefused("%s holds too much for a mount point to be made in it" % shown(found))
        self.rebuilt.add(found)

    def arguments(self) -> List[bytes]:
        """bubblewrap's, up to the program."""
        result = [] if b"/" in self.rebuilt else [b"--dev-bind", b"/", b"/"]
        for place in sorted(self.rebuilt, key=depth):
            result += [] if place == b"/" else [b"--tmpfs", place]
            for name in self.look.children(place):
                result += self.bound_back(join(place, name))
        for place, mount in self.mounts.items():
            result += [b"--ro-bind" if mount.read_only else b"--bind", mount.source, place]
        for place in sorted(self.rebuilt, key=depth):
            result += [] if self.look.is_scratch(place) else [b"--remount-ro", place]
        return result

    def bound_back(self, path: bytes) -> List[bytes]:
        """The same thing at its place in a new tmpfs; what may not be looked at (another user's FUSE) is left out."""
        try:
            if self.look.kind(path) == "link":
                return [b"--symlink", self.look.link_target(path), path]
        except OSError:
            return []
        return [b"--dev-bind-try", path, path]


def plan_sandbox(mounts: Iterable[Mount], look: HostFiles, directory: bytes) -> Sandbox:
    """Plan all mounts of a container; sources lie in `directory`. Raises MountRefused."""
    sandbox = Sandbox(look, directory)
    for mount in sorted(mounts, key=lambda mount: depth(mount.target)):
        try:
            sandbox.add(mount)
        except OSError as error:
            raise MountRefused("mount at %s: %s" % (shown(mount.target), error)) from error
    return sandbox


def target_parts(target: bytes) -> List[bytes]:
    parts = [part for part in target.split(b"/") if part not in (b"", b".")]
    if not target.startswith(b"/") or b".." in parts:
        raise MountRefused("a mount path must be absolute and without ..: %s" % shown(target))
    return parts


def join(start: bytes, *parts: bytes) -> bytes:
    return start.rstrip(b"/") + b"/" + b"/".join(parts) if parts else start


def is_inside(path: bytes, directory: bytes) -> bool:
    return path != directory and path.startswith(directory.rstrip(b"/") + b"/")


def depth(path: bytes) -> int:
    return len([part for part in path.split(b"/") if part])


def shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")


# Starting a program


class Program(NamedTuple):
    """What becomes a container."""

    argv: List[str]
    environment: List[Tuple[str, str]]
    directory: str
    fallback_directory: Optional[str]
    """None: the pod asks for `directory`, so that a container without it does not start."""
    umask: int


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
    """Run this file once more, as `launch`. Its source is its input: a mount may hide the job directory."""
    interpreter = [os.fsencode(sys.executable), b"-I", b"-S", b"-", b"%d" % control, b"%d" % log]
    with open(__file__, "rb") as source:
        child = subprocess.Popen(
            [*wrapper, *interpreter], stdin=source, stdout=complain, stderr=complain, pass_fds=(control, log)
        )
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


def receive_all(control: socket.socket) -> bytes:
    parts: List[bytes] = []
    while True:
        try:
            part = control.recv(1 << 16)
        except ConnectionError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


def launch(control_number: int, log: int) -> NoReturn:
    """Become the program that the other end of the control socket tells us to become."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, control_number)
    control.set_inheritable(False)
    os.setsid()
    set_process_option(PR_SET_PDEATHSIG, signal.SIGKILL)
    control.sendall(b"%d\n" % os.getpid())
    program = Program(*json.loads(receive_all(control).decode()))
    try:
        become(program, log)
    except OSError as error:
        code = NOT_FOUND if isinstance(error, (FileNotFoundError, NotADirectoryError)) else NOT_EXECUTABLE
        reason = "%s: %s" % (program.argv[0], error.strerror)
        control.sendall(json.dumps([code, reason]).encode())
    except StartFailed as failure:
        control.sendall(json.dumps([failure.exit_code, str(failure)]).encode())
    os._exit(START_FAILED)


def become(program: Program, log: int) -> NoReturn:
    """Replace this process. Raises OSError about the program, StartFailed about its directory."""
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


PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def set_process_option(option: int, value: int) -> None:
    """prctl(2), where the C library can be reached; without it less is cleaned up after a kill -9."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


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


# Output


class Pump(threading.Thread):
    """Copies a container's output from its pipe into its log, and writes the index of times.

    A pipe and not the file itself is the program's output: `echo > /dev/stdout` would cut a file to nothing.
    An index entry precedes the bytes that it is about, at most one per INDEX_EVERY_S.
    """

    PIPE_BYTES = 1 << 20
    INDEX_EVERY_S = 0.05
    GATHER_S = 0.005  # between small reads: a program that writes byte by byte wakes us 200 times a second at most

    def __init__(self, pipe: int, log_path: str, index_path: str) -> None:
        super().__init__(daemon=True)
        self.pipe = pipe
        self.log_path = log_path
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self.log = os.open(log_path, flags, 0o640)
        self.index = os.open(index_path, flags, 0o640)
        self.lost_bytes = 0
        self.index_bytes = 0

    def run(self) -> None:
        offset, indexed_at = 0, 0.0
        while True:
            data = os.read(self.pipe, self.PIPE_BYTES)
            if not data:
                break
            now = max(time.time(), indexed_at)  # a clock set back must not unsort the index
            if now - indexed_at >= self.INDEX_EVERY_S:
                self.add_to_index(offset, int(now * 1e9))
                indexed_at = now
            written = self.append(self.log, data)
            offset += written
            self.lost_bytes += len(data) - written
            if len(data) < self.PIPE_BYTES // 32:
                time.sleep(self.GATHER_S)
        self.close()

    def add_to_index(self, offset: int, time_ns: int) -> None:
        record = b"%016x %016x\n" % (offset, time_ns)
        if self.append(self.index, record) == len(record):
            self.index_bytes += len(record)
        else:  # records must stay where their number says
            os.ftruncate(self.index, self.index_bytes)

    def append(self, descriptor: int, data: bytes) -> int:
        """How much could be written. A full disk must not stop the program, so the rest is lost, and said so."""
        done = 0
        view = memoryview(data)
        while done < len(data):
            try:
                done += os.write(descriptor, view[done:])
            except OSError as error:
                if not self.lost_bytes:
                    say("output of %s is being lost: %s" % (self.log_path, error.strerror))
                break
        return done

    def close(self) -> None:
        try:
            os.fsync(self.log)
        except OSError as error:
            say("%s: %s" % (self.log_path, error.strerror))
        for descriptor in (self.log, self.index, self.pipe):
            os.close(descriptor)
        if self.lost_bytes:
            say("%d bytes of %s were lost" % (self.lost_bytes, self.log_path))


F_SETPIPE_SZ = 1031  # in <linux/fcntl.h>; Python has it from 3.10 on


def output_pipe() -> Tuple[int, int]:
    reader, writer = os.pipe()
    with contextlib.suppress(OSError):  # a user may have so many large pipes; a small one only costs time
        fcntl.fcntl(writer, F_SETPIPE_SZ, Pump.PIPE_BYTES)
    return reader, writer


# Containers and the pod


class Container:
    """One container through all its runs."""

    def __init__(self, order: Dict[str, Any], reason: str) -> None:
        self.order = order
        self.name: str = order["name"]
        self.kind: str = order["kind"]
        self.state: Dict[str, Any] = {"state": "waiting", "reason": reason}
        self.last: Optional[Dict[str, Any]] = None
        self.restart_count = 0
        self.is_over = False
        self.restart_at: Optional[float] = None
        self.backoff_s = 0.0
        self.started: Optional[Started] = None
        self.started_at: Optional[float] = None
        self.pump: Optional[Pump] = None

    @property
    def exit_code(self) -> int:
        """Of the last run that is over; 0 before that."""
        return int(self.state.get("exit_code", 0))

    def file(self, suffix: str) -> str:
        return "%s-%s.%s" % ("init" if self.kind == "init" else "run", self.name, suffix)

    def to_wire(self) -> Dict[str, Any]:
        return dict(self.state, kind=self.kind, restart_count=self.restart_count, last=self.last)


def should_restart(policy: str, kind: str, exit_code: int) -> bool:
    """Kubernetes' restartPolicy; an init container is done for good once it succeeded."""
    if policy == "Always" and kind == "main":
        return True
    return policy in ("Always", "OnFailure") and exit_code != 0


class Ending(NamedTuple):
    exit_code: int
    signal: Optional[int]


def ending(wait_status: int) -> Ending:
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        return Ending(128 + number, number)
    return Ending(os.WEXITSTATUS(wait_status), None)


class Supervisor:
    """The pod of one job directory, from its first container's start to the last one's end."""

    DRAIN_S = 2.0  # for output that a process outside the container's session still holds back

    def __init__(self, directory: str, job_id: str, spec: Dict[str, Any]) -> None:
        self.directory = directory
        self.job_id = job_id
        self.spec = spec
        has_inits = any(order["kind"] == "init" for order in spec["containers"])
        reason = "PodInitializing" if has_inits else "ContainerCreating"
        self.containers = [Container(order, reason) for order in spec["containers"]]
        self.started_at = time.time()
        self.finished_at: Optional[float] = None
        self.stopped_by: Optional[int] = None
        self.kill_at: Optional[float] = None

    def run(self) -> int:
        """Run everything; returns the exit code of the job."""
        self.sweep_files_of_an_earlier_run()
        replace_file(self.path("StartedAt.time"), go_time(self.started_at))
        self.publish()
        problem = None
        if any(container.order["mounts"] for container in self.containers):
            problem = sandbox_problem(self.spec["bwrap"].encode())
        if problem is not None:
            self.abandon(START_FAILED, "MountsUnavailable", problem)
        for container in self.of_kind("init"):
            self.run_to_the_end([container])
            if container.exit_code != 0:
                message = "init container %s ended with exit code %d" % (container.name, container.exit_code)
                self.abandon(container.exit_code, "InitContainerFailed", message)
        self.run_to_the_end(self.of_kind("main"))
        self.finish()
        return max(container.exit_code for container in self.containers)

    def of_kind(self, kind: str) -> List[Container]:
        return [container for container in self.containers if container.kind == kind]

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def sweep_files_of_an_earlier_run(self) -> None:
        """Of this job before it was requeued: an old exit status would end a container that is about to run."""
        for name in [container.file("status") for container in self.containers] + ["FinishedAt.time"]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(name))

    def run_to_the_end(self, containers: List[Container]) -> None:
        for container in containers:
            if not container.is_over:
                self.wait(0)  # a stop that arrived meanwhile comes before the next start
            if not container.is_over:
                self.start(container)
        while not all(container.is_over for container in containers):
            self.wait(self.next_deadline() - time.monotonic())

    # Events

    def next_deadline(self) -> float:
        deadlines = [container.restart_at for container in self.containers] + [self.kill_at]
        return min([moment for moment in deadlines if moment is not None], default=time.monotonic() + FAR_AWAY_S)

    def wait(self, timeout_s: float) -> None:
        """Take one signal, or the time-out, and do what follows from it."""
        event = signal.sigtimedwait(WATCHED_SIGNALS, max(timeout_s, 0))
        if event is not None and event.si_signo in STOP_SIGNALS:
            self.stop(event.si_signo)
        elif event is not None and event.si_signo in FORWARDED_SIGNALS:
            self.send(event.si_signo)
        self.reap()
        now = time.monotonic()
        if self.kill_at is not None and now >= self.kill_at:
            self.kill_at = None
            self.send(signal.SIGKILL)
        for container in self.containers:
            if container.restart_at is not None and now >= container.restart_at:
                container.restart_at = None
                self.start(container)

    def reap(self) -> None:
        """Take note of every child that ended; orphans of the containers are our children, too."""
        while True:
            try:
                # WNOWAIT: as long as it is not waited for, its number is nobody else's and its group can be killed.
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            container = self.container_of(found.si_pid)
            if container is not None and container.started is not None:
                kill_session(container.started)
            _, status = os.waitpid(found.si_pid, 0)
            if container is not None:
                self.ended(container, ending(status))

    def container_of(self, child: int) -> Optional[Container]:
        for container in self.containers:
            if container.started is not None and container.started.child == child:
                return container
        return None

    # One container

    def start(self, container: Container) -> None:
        container.started_at = time.time()
        try:
            wrapper = self.wrapper(container)
            self.keep_previous_output(container)
            reader, writer = output_pipe()
            container.pump = Pump(reader, self.path(container.file("out")), self.path(container.file("idx")))
            container.pump.start()
            try:
                container.started = start_program(self.program(container), wrapper, writer)
            finally:
                os.close(writer)
        except MountRefused as error:
            self.over(container, START_FAILED, "MountRefused", str(error), is_final=True)
        except StartFailed as error:
            self.over(
                container, error.exit_code, error.reason, str(error), is_final=error.reason == "MountsUnavailable"
            )
        except OSError as error:
            self.over(container, START_FAILED, "ContainerCannotRun", str(error))
        else:
            container.state = {"state": "running", "started_at": rfc3339(container.started_at)}
            self.publish()

    def wrapper(self, container: Container) -> List[bytes]:
        """The command in front of the container's: nothing without mounts."""
        if not container.order["mounts"]:
            return []
        directory = os.fsencode(self.directory)
        mounts = [
            Mount(join(directory, mount["source"].encode()), mount["target"].encode(), mount["read_only"])
            for mount in container.order["mounts"]
        ]
        sandbox = plan_sandbox(mounts, HostFiles(), directory)
        for point in sandbox.mount_points:
            make_mount_point(point)
        return [self.spec["bwrap"].encode(), b"--die-with-parent", *sandbox.arguments(), b"--"]

    def program(self, container: Container) -> Program:
        order = container.order
        environment = inherited_environment(os.environb)
        environment.update(order["env"])
        return Program(
            argv=order["argv"],
            environment=sorted(environment.items()),
            directory=order["working_dir"] or self.path("work"),
            fallback_directory=None if order["working_dir"] else "/",
            umask=self.spec["umask"],
        )

    def keep_previous_output(self, container: Container) -> None:
        for suffix in ("out", "idx"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path(container.file(suffix)), self.path(container.file("prev." + suffix)))

    def ended(self, container: Container, how: Ending) -> None:
        """A program that ran is over, and all of its session."""
        container.started = None
        code, message = how.exit_code, ""
        if self.stopped_by is not None:
            if code == 0:
                # What was cut short must not look complete, however politely it went.
                code, message = 128 + signal.SIGTERM, "ended with exit code 0 after it was told to stop"
            self.over(container, code, "Stopped", message, how.signal)
        else:
            self.over(container, code, "Completed" if code == 0 else "Error", message, how.signal)

    def over(
        self,
        container: Container,
        code: int,
        reason: str,
        message: str = "",
        signal_number: Optional[int] = None,
        is_final: bool = False,
    ) -> None:
        """A run of `container` is over, if it ever began: publish that, or restart it later."""
        if container.pump is not None:
            container.pump.join(self.DRAIN_S)
            container.pump = None
        now = time.time()
        end = {
            "exit_code": code,
            "signal": signal_number,
            "reason": reason,
            "message": message,
            "started_at": rfc3339(container.started_at),
            "finished_at": rfc3339(now),
        }
        is_stopping = self.stopped_by is not None
        if not is_final and not is_stopping and should_restart(self.spec["restart_policy"], container.kind, code):
            self.restart_later(container, end, now - (container.started_at or now))
        else:
            self.end_for_good(container, end)
        self.publish()

    def restart_later(self, container: Container, end: Dict[str, Any], ran_s: float) -> None:
        backoff = self.spec["backoff"]
        if ran_s > backoff["reset_s"]:
            container.backoff_s = 0
        container.backoff_s = min(max(2 * container.backoff_s, backoff["first_s"]), backoff["limit_s"])
        container.restart_at = time.monotonic() + container.backoff_s
        container.last = end
        container.restart_count += 1
        message = "back-off %gs restarting failed container" % container.backoff_s
        container.state = {"state": "waiting", "reason": "CrashLoopBackOff", "message": message}

    def end_for_good(self, container: Container, end: Dict[str, Any]) -> None:
        container.state = dict(end, state="terminated")
        container.is_over = True
        container.restart_at = None
        try:
            write_whole(self.path(container.file("status")), b"%d\n" % end["exit_code"])
        except OSError as error:
            say("exit status of %s: %s" % (container.name, error))

    # All of them

    def stop(self, number: int) -> None:
        """End everything: TERM now, KILL after the grace period; what does not run never will."""
        if self.stopped_by is not None:
            return
        self.stopped_by = number
        self.kill_at = time.monotonic() + self.spec["grace_s"]
        say("told to stop by signal %d" % number)
        self.send(signal.SIGTERM)
        message = "the job was told to stop before this container was started"
        for container in self.containers:
            if container.started is None and not container.is_over:
                container.started_at = None
                self.over(container, 128 + signal.SIGTERM, "Stopped", message)

    def send(self, number: int) -> None:
        for container in self.containers:
            if container.started is not None:
                send_to_group(container.started.group, number)

    def abandon(self, code: int, reason: str, message: str) -> None:
        """End all containers that have not been started."""
        for container in self.containers:
            if not container.is_over:
                self.over(container, code, reason, message, is_final=True)

    def finish(self) -> None:
        kill_children()
        self.reap()
        self.finished_at = time.time()
        for pause_s in (0, 1, 4, 10):  # a full disk or quota is sometimes somebody's who is cleaning up
            time.sleep(pause_s)
            try:
                replace_file(self.path("FinishedAt.time"), go_time(self.finished_at))
                self.write_status()
                break
            except OSError as error:
                say("last status: %s" % error)
        self.notify()

    def publish(self) -> None:
        """Tell the world. Containers go on when it cannot be told."""
        try:
            self.write_status()
        except OSError as error:
            say("status: %s" % error)
        self.notify()

    def write_status(self) -> None:
        status = {
            "schema": SCHEMA,
            "job_id": self.job_id,
            "host": socket.gethostname(),
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at),
            "containers": {container.name: container.to_wire() for container in self.containers},
        }
        write_whole(self.path("status.json"), json.dumps(status).encode())

    def notify(self) -> None:
        """Rename a file into the notice directory: whoever watches it learns which pod to look at."""
        try:
            replace_file(os.path.join(self.spec["notices"], self.spec["uid"]), (self.job_id + "\n").encode())
        except OSError as error:
            say("notice: %s" % error)


def make_mount_point(point: MountPoint) -> None:
    if point.is_directory:
        os.makedirs(point.path, mode=0o755, exist_ok=True)
    else:
        os.close(os.open(point.path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644))


def inherited_environment(job: "os._Environ[bytes]") -> Dict[str, str]:
    """What a container has besides its own variables: of the job's only what it needs to work here."""
    try:
        user = pwd.getpwuid(os.getuid())
        name, home = user.pw_name, user.pw_dir
    except KeyError:  # a node without the site's directory service
        name, home = str(os.getuid()), "/"
    result = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": home,
        "USER": name,
        "LOGNAME": name,
        "TMPDIR": "/tmp",  # noqa: S108 - what POSIX calls it when nobody says otherwise
    }
    for raw_name, raw_value in job.items():
        name = raw_name.decode("utf-8", "replace")
        if name in INHERITED or (name.startswith(INHERITED_PREFIX) and name not in NEVER_INHERITED):
            result[name] = raw_value.decode("utf-8", "replace")
    return result


# Processes


def send_to_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def kill_session(started: Started) -> None:
    """Kill what is left of a container whose program has ended."""
    if started.child == started.group:
        send_to_group(started.group, signal.SIGKILL)
    kill_children(session=started.group)


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


def code_of_finished_run(directory: str, job_id: str) -> Optional[int]:
    """Exit code of this very job, had it already finished before it was requeued; else None."""
    try:
        with open(os.path.join(directory, "status.json"), "rb") as file:
            status = json.loads(file.read().decode())
        if status["job_id"] != job_id or status["finished_at"] is None:
            return None
        return max(int(container["exit_code"]) for container in status["containers"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def main(job_id: str) -> int:
    # Before anything else: a stop that arrives from now on waits until somebody looks.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED_SIGNALS)
    directory = os.path.dirname(os.path.abspath(__file__))
    os.chdir(directory)
    with open("spec.json", "rb") as file:
        spec = json.loads(file.read().decode())
    os.umask(spec["umask"])
    holder = claim(directory, job_id)
    if holder != job_id:
        say("job %s holds the claim on this pod; job %s runs nothing" % (holder, job_id))
        return HELD_BY_ANOTHER_JOB
    code = code_of_finished_run(directory, job_id)
    if code is not None:
        say("this pod has run to its end already")
        return code
    set_process_option(PR_SET_CHILD_SUBREAPER, 1)
    return Supervisor(directory, job_id, spec).run()


if __name__ == "__main__":
    if sys.argv[0] == "-":
        launch(int(sys.argv[1]), int(sys.argv[2]))
    sys.exit(main(sys.argv[1]))
