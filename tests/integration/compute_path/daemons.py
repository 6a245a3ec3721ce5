"""Daemons that are killed and started again, as systemd would, each known by the progress of its log."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from tests.lab.fixtures import SlurmLab
from tests.lab.inside import Daemon

DTE = Path(sys.executable).with_name("dte")
END_LIMIT_S = 60.0


class Process(Protocol):
    """One life of a daemon."""

    def is_running(self) -> bool: ...

    def lines(self) -> int:
        """What it has logged so far: how far it has come."""
        ...

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        ...

    def stop(self) -> None:
        """SIGTERM; returns when it is gone."""
        ...

    def log(self) -> str: ...


class HereProcess:
    """On this machine."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen([str(DTE), *arguments], stdout=output, stderr=output)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def lines(self) -> int:
        return self._log.read_bytes().count(b"\n")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def log(self) -> str:
        return self._log.read_text()

    def _end(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.wait(END_LIMIT_S)


class InsideProcess:
    """In the cluster's container."""

    def __init__(self, slurm: SlurmLab, arguments: Sequence[str]) -> None:
        self._stack = contextlib.ExitStack()
        self._daemon: Daemon = self._stack.enter_context(slurm.daemon(["dte", *arguments]))

    def is_running(self) -> bool:
        return self._daemon.client.poll() is None

    def lines(self) -> int:
        return self._daemon.log.read_bytes().count(b"\n")

    def kill(self) -> None:
        self._daemon.signal("KILL")
        self._daemon.wait()
        self._stack.close()

    def stop(self) -> None:
        self._stack.close()

    def log(self) -> str:
        return self._daemon.log.read_text()


class Service:
    """A daemon with `Restart=always`. Its lives follow each other; `logs` holds what the ended ones printed."""

    def __init__(self, name: str, spawn: Callable[[int], Process]) -> None:
        self.name = name
        self._spawn = spawn
        self._process: Process | None = None
        self.logs: list[str] = []

    def start(self) -> None:
        self._process = self._spawn(len(self.logs))

    def kill(self) -> None:
        assert self._process is not None, "it was started"
        assert self._process.is_running(), f"{self.name} ended by itself:\n{self._process.log()[-4000:]}"
        self._process.kill()
        self.logs.append(self._process.log())

    def stop(self) -> None:
        if self._process is not None and self._process.is_running():
            self._process.stop()
            self.logs.append(self._process.log())

    def has_logged(self, lines: int) -> bool:
        """Whether the present life has come as far as that."""
        return self._process is not None and self._process.lines() >= lines


class Killer(threading.Thread):
    """Kills one service again and again, each time when its life has come to the next of `moments` (lines logged).

    At every `together`th moment all killers that share the barrier wait for each other and strike at once.
    """

    LIMIT_S = 300.0
    """For a life to come as far as its moment: reached only when something is broken."""
    GLANCE_S = 0.01

    def __init__(self, service: Service, moments: Sequence[int], barrier: threading.Barrier, together: int) -> None:
        super().__init__(name=f"killer of {service.name}", daemon=True)
        self._service = service
        self._moments = moments
        self._barrier = barrier
        self._together = together
        self.kills = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            for number, moment in enumerate(self._moments, start=1):
                self._await(moment)
                if number % self._together == 0:
                    self._barrier.wait(self.LIMIT_S)
                self._service.kill()
                self.kills += 1
                self._service.start()
        except BaseException as error:
            self.failure = error
            self._barrier.abort()
            raise

    def _await(self, moment: int) -> None:
        deadline = time.monotonic() + self.LIMIT_S
        while not self._service.has_logged(moment):
            assert time.monotonic() < deadline, f"{self._service.name} never logged {moment} lines"
            time.sleep(self.GLANCE_S)
