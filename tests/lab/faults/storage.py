"""Faults of the shared file system as one host sees it: full, hanging, without file events, not mounted."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import engine
from tests.lab.progress import wait_for

PROGRAM = Path(__file__).parents[1] / "files" / "serve-over-sshfs"
MOUNT_LIMIT_S = 20.0


@contextlib.contextmanager
def full(host: str, directory: str) -> Iterator[None]:
    """The file system of `directory` has no byte left. Its root must be a file system of its own: /exa/twin02 is."""
    ballast = f"{directory}/.ballast"
    # dd takes what is there to the last block, and ends with the error that everybody else gets.
    engine.execute(host, ["dd", "if=/dev/zero", f"of={ballast}", "bs=64k", "status=none"], check=False)
    engine.execute(host, ["sh", "-c", 'cat /dev/zero >> "$1"', "sh", ballast], check=False)
    try:
        yield
    finally:
        engine.execute(host, ["rm", "--force", ballast])


@dataclass(frozen=True, slots=True)
class SlowRoot:
    """A directory behind sshfs; `server_pid` is the process that answers for it."""

    host: str
    server_pid: int

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Every call on the directory waits, as on a file server that does not answer."""
        engine.execute(self.host, ["kill", "-STOP", str(self.server_pid)])
        try:
            yield
        finally:
            engine.execute(self.host, ["kill", "-CONT", str(self.server_pid)])


@contextlib.contextmanager
def over_sshfs(host: str, directory: str, account: str) -> Iterator[SlowRoot]:
    """The host reaches the directory through sshfs: the same files, slower and without file events."""
    engine.write_file(host, "/usr/local/sbin/serve-over-sshfs", PROGRAM.read_bytes(), mode="0755")
    beneath = f"/run/beneath{directory}"
    _bind(host, directory, beneath)
    unit = ("--unit=serve-over-sshfs", "--collect", "--quiet")
    engine.execute(host, ["systemd-run", *unit, "/usr/local/sbin/serve-over-sshfs", directory, beneath, account])
    try:
        wait_for(f"sshfs on {directory}", lambda: _not_mounted(host, directory), MOUNT_LIMIT_S)
        server = engine.execute(host, ["pgrep", "--exact", "sftp-server", "--euid", account])
        yield SlowRoot(host, int(server))
    finally:
        engine.execute(host, ["umount", "--lazy", directory], check=False)
        engine.execute(host, ["systemctl", "stop", "serve-over-sshfs.service"], check=False)
        engine.execute(host, ["umount", "--lazy", beneath])


def _bind(host: str, directory: str, place: str) -> None:
    """Show the directory at another place, too; private: what is mounted over the one must not cover the other."""
    script = 'mkdir -p "$2" && mount --bind "$1" "$2" && mount --make-private "$2"'
    engine.execute(host, ["sh", "-c", script, "sh", directory, place])


def _not_mounted(host: str, directory: str) -> str | None:
    kind = engine.execute(host, ["findmnt", "--noheadings", "--output=FSTYPE", directory], check=False).split()
    return None if "fuse.sshfs" in kind else f"{directory} is {kind or 'not a mount'}"


@contextlib.contextmanager
def unmounted(host: str, directory: str) -> Iterator[None]:
    """A file system of the host is not mounted; what lies beneath is an empty directory."""
    aside = f"/run/aside{directory}"
    _bind(host, directory, aside)
    engine.execute(host, ["umount", "--lazy", directory])
    try:
        yield
    finally:
        engine.execute(host, ["mount", "--bind", aside, directory])
        engine.execute(host, ["umount", "--lazy", aside])
