"""Commands in a running container: exec probes and hooks."""

import os
import signal
from typing import Callable, Optional

from .launcher import Program, StartFailed
from .processes import Ending, send_to_group
from .programs import Launch
from .reactor import Outcome, Reactor

KEPT_BYTES = 1024
"""Of what a command prints, for the words about its failure."""
LINGER_S = 0.5
"""How long a process that the command left behind may hold its output open."""


class Command:
    """Runs `program`; calls `done` once with None when it ended with exit code 0, else with why it did not."""

    def __init__(
        self,
        reactor: Reactor,
        program: Program,
        limit_s: Optional[float],
        done: Callable[[Optional[str]], None],
    ) -> None:
        """`limit_s` None: as long as it takes, or until `kill`. Raises OSError."""
        self.reactor = reactor
        self.done = done
        self.is_done = False
        self.ending: Optional[Ending] = None
        self.said: Optional[str] = None
        reader, writer = os.pipe()
        try:
            self.launch = Launch(program, (), writer)
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self.child = self.launch.child
        reactor.when_ended(self.child, self._ended)
        reactor.errand(lambda: self._listen(reader), self._heard)
        if limit_s is not None:
            reactor.after(limit_s, lambda: self._time_out("timed out after %g s" % limit_s))

    @property
    def is_running(self) -> bool:
        return self.ending is None

    def kill(self) -> None:
        if self.is_running:
            send_to_group(self.child, signal.SIGKILL)

    def _listen(self, reader: int) -> str:
        with os.fdopen(reader, "rb", buffering=0) as output:
            try:
                self.launch.result()
            except StartFailed as failure:
                return str(failure)
            kept = b""
            while True:
                part = output.read(1 << 16)
                if not part:
                    return kept.decode("utf-8", "replace").strip()
                kept = (kept + part)[:KEPT_BYTES]

    def _time_out(self, words: str) -> None:
        self.kill()
        self._finish("%s %s" % (self.launch.program.argv[0], words))

    def _ended(self, ending: Ending) -> None:
        self.ending = ending
        if self.said is None:
            self.reactor.after(LINGER_S, self._judge)
        else:
            self._judge()

    def _heard(self, outcome: Outcome[str]) -> None:
        self.said = outcome()
        if self.ending is not None:
            self._judge()

    def _judge(self) -> None:
        assert self.ending is not None
        if self.ending.exit_code == 0:
            self._finish(None)
        else:
            self._finish("exit code %d%s" % (self.ending.exit_code, ": " + self.said if self.said else ""))

    def _finish(self, words: Optional[str]) -> None:
        if not self.is_done:
            self.is_done = True
            self.done(words)
