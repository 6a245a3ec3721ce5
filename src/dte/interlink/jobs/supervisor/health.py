"""The probes of a running container: asks in time, and says what follows."""

import time
from typing import Any, Callable, Dict, List, Optional

from .probes import Probe
from .reactor import Reactor, Timer

Ask = Callable[[Dict[str, Any], float, Callable[[Optional[str]], None]], None]
"""Do an action within so many seconds, then call with None, or with words when it failed."""


class Health:
    """Startup probe first; once that succeeded, liveness and readiness until `end`."""

    def __init__(
        self,
        reactor: Reactor,
        orders: Dict[str, Any],
        ask: Ask,
        on_change: Callable[[], None],
        on_failure: Callable[[str, Optional[float]], None],
    ) -> None:
        """`on_failure` is told why a container has to end, and how long it may take (None: the pod's grace period)."""
        self.reactor = reactor
        self.orders = orders
        self.ask = ask
        self.on_change = on_change
        self.on_failure = on_failure
        self.is_started = False
        self.is_ready = False
        self.is_over = False
        self.began_at = 0.0
        self.timers: List[Timer] = []

    def begin(self) -> None:
        self.began_at = time.monotonic()
        if "startup" in self.orders:
            self._schedule("startup", Probe(self.orders["startup"]))
        else:
            self._started()

    def end(self) -> None:
        """Ask no more; what has to end is not ready."""
        self.is_over = True
        self.is_ready = False
        for timer in self.timers:
            timer.cancel()

    def _started(self) -> None:
        self.is_started = True
        self.is_ready = "readiness" not in self.orders
        for kind in ("liveness", "readiness"):
            if kind in self.orders:
                self._schedule(kind, Probe(self.orders[kind]))

    def _schedule(self, kind: str, probe: Probe) -> None:
        """The first question; its delay counts from the start of the container."""
        delay_s = max(self.began_at + probe.initial_delay_s - time.monotonic(), 0.0)
        self._later(delay_s, kind, probe)

    def _later(self, delay_s: float, kind: str, probe: Probe) -> None:
        self.timers = [timer for timer in self.timers if timer.is_pending]
        self.timers.append(self.reactor.after(delay_s, lambda: self._question(kind, probe)))

    def _question(self, kind: str, probe: Probe) -> None:
        asked_at = time.monotonic()

        def answered(failure: Optional[str]) -> None:
            if self.is_over:
                return
            self._conclude(kind, probe, failure)
            if not self.is_over and not (kind == "startup" and self.is_started):
                self._later(probe.pause_s(time.monotonic() - asked_at), kind, probe)

        self.ask(probe.action, probe.timeout_s, answered)

    def _conclude(self, kind: str, probe: Probe, failure: Optional[str]) -> None:
        verdict = probe.conclude(failure is None)
        if verdict is None:
            return
        if kind == "readiness":
            if self.is_ready != verdict:
                self.is_ready = verdict
                self.on_change()
        elif not verdict:
            self.on_failure("%s probe failed: %s" % (kind, failure), probe.grace_s)
        elif kind == "startup":
            self._started()
            self.on_change()
