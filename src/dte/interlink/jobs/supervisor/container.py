"""One container through all its runs."""

import time
from enum import Enum
from typing import Any, Callable, Dict, Optional

from .files import rfc3339, say, write_whole
from .place import Order, Place
from .reactor import Reactor, Timer
from .run import End, Run

STOPPED_CODE = 143
"""128 + SIGTERM. A batch system may tell every process of the job at once: then a program ends before we hear of it."""
FINISHED = "Finished"
"""Why sidecars are stopped when all else is over."""


class Phase(Enum):
    NEW = "new"
    RUN = "run"
    BACK_OFF = "back-off"
    OVER = "over"


class Container:
    """Starts, restarts and ends one container of the pod; calls `on_change` when its state has changed."""

    def __init__(
        self, reactor: Reactor, place: Place, order: Order, waiting_reason: str, on_change: Callable[[], None]
    ) -> None:
        self.reactor = reactor
        self.place = place
        self.order = order
        self.on_change = on_change
        self.name: str = order["name"]
        self.is_init: bool = order["kind"] == "init"
        self.is_sidecar: bool = order["is_sidecar"]
        self.phase = Phase.NEW
        self.state: Dict[str, Any] = {"state": "waiting", "reason": waiting_reason}
        self.last: Optional[Dict[str, Any]] = None
        self.restart_count = 0
        self.run: Optional[Run] = None
        self.stop_reason = ""
        """Why it is not to run any more; empty: it may."""
        self.stop_message = ""
        self.back_off_s = 0.0
        self.back_off_timer: Optional[Timer] = None

    # What others ask

    @property
    def is_over(self) -> bool:
        return self.phase is Phase.OVER

    @property
    def is_new(self) -> bool:
        return self.phase is Phase.NEW

    @property
    def has_settled(self) -> bool:
        return self.is_over or self.phase is Phase.BACK_OFF or (self.run is not None and self.run.has_settled)

    @property
    def is_started(self) -> bool:
        """Of a sidecar: what comes after it may start."""
        return self.run is not None and self.run.health.is_started

    @property
    def exit_code(self) -> int:
        """What it adds to the pod's: nothing as long as it is not over, or when it is a sidecar."""
        return 0 if self.is_sidecar else int(self.state.get("exit_code", 0))

    def to_wire(self) -> Dict[str, Any]:
        health = self.run.health if self.run is not None and self.state["state"] == "running" else None
        return dict(
            self.state,
            kind="init" if self.is_init else "main",
            ready=health is not None and health.is_ready,
            started=health is not None and health.is_started,
            restart_count=self.restart_count,
            last=self.last,
        )

    # What others tell it

    def start(self) -> None:
        self.phase = Phase.RUN
        self.run = Run(self.reactor, self.place, self.order, self._changed, self._ended)
        self.run.start()

    def send(self, number: int) -> None:
        if self.run is not None:
            self.run.send(number)

    def stop(self, reason: str, message: str, grace_s: float, has_turn: bool) -> None:
        """End it and never start it again; without `reason` it is done rather than cut short."""
        if self.is_over:
            return
        self.stop_reason = self.stop_reason or reason or FINISHED
        self.stop_message = message
        if self.phase is Phase.RUN and self.run is not None:
            self.run.stop(grace_s, has_turn=has_turn, is_cut_short=bool(reason))
        elif reason or self.last is None:
            words = message or "the job was told to stop before this container was started"
            self.end_for_good(End(STOPPED_CODE, None, reason or "Completed", words), None)
        else:
            self._terminated(self.last)

    def give_turn(self) -> None:
        if self.run is not None:
            self.run.give_turn()

    def abandon(self, end: End) -> None:
        """It will never be started."""
        self.end_for_good(end, None)

    # What happens to it

    def _changed(self) -> None:
        run = self.run
        if run is not None and run.is_running and self.phase is Phase.RUN:
            self.state = {"state": "running", "started_at": rfc3339(run.started_at)}
        self.on_change()

    def _ended(self, end: End) -> None:
        run = self.run
        assert run is not None
        if not end.is_final and not self.stop_reason and should_restart(self.order["restart"], end.exit_code):
            self._restart_later(end, run)
        elif self.stop_reason in ("", FINISHED) or not (run.is_stopping or end.exit_code == STOPPED_CODE):
            self.end_for_good(end, run.started_at)
        else:
            words = "\n".join(filter(None, (self.stop_message, end.message)))
            self.end_for_good(end._replace(reason=self.stop_reason, message=words), run.started_at)

    def _restart_later(self, end: End, run: Run) -> None:
        rules = self.place.spec["backoff"]
        finished_at = time.time()
        if finished_at - run.started_at > rules["reset_s"]:
            self.back_off_s = 0.0
        self.back_off_s = min(max(2 * self.back_off_s, rules["first_s"]), rules["limit_s"])
        self.last = ended(end, run.started_at, finished_at)
        self.restart_count += 1
        self.phase = Phase.BACK_OFF
        self.back_off_timer = self.reactor.after(self.back_off_s, self.start)
        message = "back-off %gs restarting failed container" % self.back_off_s
        self.state = {"state": "waiting", "reason": "CrashLoopBackOff", "message": message}
        self.on_change()

    def end_for_good(self, end: End, started_at: Optional[float]) -> None:
        self._terminated(ended(end, started_at, time.time()))

    def _terminated(self, end: Dict[str, Any]) -> None:
        self.phase = Phase.OVER
        if self.back_off_timer is not None:
            self.back_off_timer.cancel()
        self.state = dict(end, state="terminated")
        try:
            write_whole(self.place.file(self.order, "status"), b"%d\n" % end["exit_code"])
        except OSError as error:
            say("exit status of %s: %s" % (self.name, error))
        self.on_change()


def ended(end: End, started_at: Optional[float], finished_at: float) -> Dict[str, Any]:
    """A run that is over, as status.json has it."""
    return {
        "exit_code": end.exit_code,
        "signal": end.signal,
        "reason": end.reason,
        "message": end.message,
        "started_at": rfc3339(started_at),
        "finished_at": rfc3339(finished_at),
    }


def should_restart(policy: str, exit_code: int) -> bool:
    """Kubernetes' restartPolicy."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
