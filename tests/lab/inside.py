"""Programs inside a container of the lab, for tests: run one, or keep a daemon and stop it by its own id."""

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import engine
from tests.lab.progress import wait_for
from tests.lab.slurm import RUN_DIRECTORY

_count = itertools.count()
STOP_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Daemon:
    """A process that `daemon` started; `pid` counts inside the container, `log` holds all it printed."""

    container: str
    pid: int
    client: subprocess.Popen[bytes]
    log: Path

    def signal(self, name: str) -> None:
        """Send TERM, KILL, HUP ...; a process that is gone is fine."""
        engine.execute(self.container, ["kill", f"-{name}", str(self.pid)], check=False)

    def wait(self, limit_s: float = STOP_LIMIT_S) -> int:
        """Its exit status, as `docker exec` gives it (137 after KILL). TimeoutExpired after `limit_s`."""
        return self.client.wait(limit_s)


@contextlib.contextmanager
def daemon(container: str, shared: Path, argv: Sequence[str], *, user: str) -> Iterator[Daemon]:
    """Run `argv` in the container as `user` until the block ends: TERM, then KILL after STOP_LIMIT_S.

    `shared` is this machine's view of RUN_DIRECTORY. The caller waits for readiness in its own way.
    """
    name = f"daemon-{os.getpid()}-{next(_count)}"
    pid_file, log = shared / f"{name}.pid", shared / f"{name}.log"
    # The shell notes its id and becomes the program: killing `docker exec` would leave the program running.
    script = 'echo $$ > "$0.new" && mv "$0.new" "$0" && exec "$@"'
    command = [
        "docker",
        "exec",
        "-i",
        "-u",
        user,
        container,
        "sh",
        "-c",
        script,
        f"{RUN_DIRECTORY}/{name}.pid",
        *argv,
    ]
    with log.open("wb") as output:
        client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    wait_for(
        f"{argv[0]} in {container}",
        lambda: None if pid_file.exists() else log.read_text() or "not started",
        20,
        interval_s=0.05,
    )
    running = Daemon(container, int(pid_file.read_text()), client, log)
    try:
        yield running
    finally:
        if client.poll() is None:
            running.signal("TERM")
            try:
                running.wait()
            except subprocess.TimeoutExpired:
                running.signal("KILL")
                running.wait()
