"""One run of a container's program: start, hooks, probes, its end by itself or by us."""

import os
import signal
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .checks import check, shown_target
from .commands import Command
from .files import say
from .health import Health
from .launcher import START_FAILED, StartFailed
from .memory import count_oom_kills
from .output import Pump, output_pipe
from .place import Order, Place
from .processes import Ending, kill_children, send_to_group
from .programs import Launch
from .reactor import Outcome, Reactor, Timer
from .sandbox import MountRefused
from .termination import last_words, message

DRAIN_S = 2.0
"""For output that a process outside the container's session still holds back."""
MAX_COMMANDS = 4
"""In one container at once: more means that they hang."""
KILLED = 128 + signal.SIGKILL


def only_once(done: Callable[[Optional[str]], None]) -> Callable[[Optional[str]], None]:
    """What is called a second time, with another answer to the same question, does nothing."""
    answers: List[Optional[str]] = []

    def take(answer: Optional[str]) -> None:
        answers.append(answer)
        if len(answers) == 1:
            done(answer)

    return take


class End(NamedTuple):
    """How a run ended."""

    exit_code: int
    signal: Optional[int]
    reason: str
    message: str
    is_final: bool = False
    """Another try would end the same way."""


class Run:
    """Calls `on_change` when its state has changed and `on_end` once, when all of it is over."""

    def __init__(
        self, reactor: Reactor, place: Place, order: Order, on_change: Callable[[], None], on_end: Callable[[End], None]
    ) -> None:
        self.reactor = reactor
        self.place = place
        self.order = order
        self.on_change = on_change
        self.on_end = on_end
        self.health = Health(reactor, order["probes"], self._ask, on_change, self._fail)
        self.started_at = time.time()
        self.is_running = False
        self.has_settled = False
        """Its program runs and its postStart hook is done, or it has ended: the next container may start."""
        self.is_over = False
        self.launch: Optional[Launch] = None
        self.pump: Optional[Pump] = None
        self.commands: List[Command] = []
        self.is_launched = False
        self.launch_failure: Optional[StartFailed] = None
        self.ending: Optional[Ending] = None
        self.oom_kills: Optional[int] = None
        self.is_stopping = False
        self.cause = ""
        """Why we end it, where that needs words."""
        self.is_cut_short = False
        """It is being ended though it has more to do."""
        self.is_hook_done = False
        self.has_turn = False
        self.told_at: Optional[float] = None
        self.was_killed = False
        self.deadline: Optional[Timer] = None

    # Start

    def start(self) -> None:
        limit_s = self.place.spec["start_limit_s"]
        self.start_timer = self.reactor.after(limit_s, lambda: self._start_took_too_long(limit_s))
        self.reactor.errand(lambda: self.place.prepare(self.order), self._prepared)

    def _prepared(self, outcome: Outcome[List[bytes]]) -> None:
        if self.is_over:
            return
        try:
            wrapper = outcome()
            if self.is_stopping:
                self._over(End(128 + signal.SIGTERM, None, "NotStarted", "stopped before it was started"))
            else:
                self._launch(wrapper)
        except MountRefused as error:
            self._over(End(START_FAILED, None, "MountRefused", str(error), is_final=True))
        except OSError as error:
            self._over(End(START_FAILED, None, "ContainerCannotRun", str(error)))

    def _launch(self, wrapper: List[bytes]) -> None:
        reader, writer = output_pipe()
        self.pump = Pump(reader, self.place.file(self.order, "out"), self.place.file(self.order, "idx"))
        self.pump.start()
        self.oom_kills = count_oom_kills()
        try:
            self.launch = Launch(self.place.program(self.order), wrapper, writer)
        finally:
            os.close(writer)
        self.reactor.when_ended(self.launch.child, self._ended)
        self.reactor.errand(self.launch.result, self._launched)

    def _launched(self, outcome: Outcome[int]) -> None:
        assert self.launch is not None
        if self.is_over:
            return
        self.is_launched = True
        self.start_timer.cancel()
        try:
            self.launch.child.group = outcome()
            if self.ending is not None:
                kill_children(session=self.launch.child.group)
        except StartFailed as failure:
            self.launch_failure = failure
        if self.ending is not None:
            self._collect()
        elif self.launch_failure is None:
            self._begin()

    def _start_took_too_long(self, limit_s: float) -> None:
        if self.is_launched or self.is_over:
            return
        self._kill()
        words = "the program did not start within %g s: does a file system of this node hang?" % limit_s
        self._over(End(START_FAILED, None, "StartTimeout", words))

    def _begin(self) -> None:
        """Its program runs now."""
        self.is_running = True
        hook = self.order["hooks"].get("post_start")
        if self.is_stopping:
            self._tell()
        elif hook is None:
            self._post_start_done(None)
        else:
            self._ask(hook, None, self._post_start_done)
        self.on_change()

    def _post_start_done(self, failure: Optional[str]) -> None:
        if self.is_stopping or self.is_over or self.ending is not None:
            return
        if failure is not None:
            self._fail("postStart hook failed: " + failure, None)
            return
        self.has_settled = True
        self.health.begin()
        self.on_change()

    # Probes and hooks

    def _ask(self, action: Dict[str, Any], limit_s: Optional[float], done: Callable[[Optional[str]], None]) -> None:
        """Carry out an action; `limit_s` None: as long as it takes."""
        if action["kind"] == "sleep":
            self.reactor.after(action["seconds"], lambda: done(None))
        elif action["kind"] == "exec":
            self._execute(action["argv"], limit_s, done)
        else:
            seconds = self.place.spec["start_limit_s"] if limit_s is None else limit_s
            first = only_once(done)
            # A name server that does not answer holds a check for longer than it may take.
            self.reactor.after(seconds + 1, lambda: first("%s timed out" % shown_target(action)))
            self.reactor.errand(lambda: check(action, seconds), lambda outcome: first(outcome()))

    def _execute(self, argv: List[str], limit_s: Optional[float], done: Callable[[Optional[str]], None]) -> None:
        assert self.launch is not None
        self.commands = [command for command in self.commands if command.is_running]
        if len(self.commands) >= MAX_COMMANDS:
            done("commands that were run before hang")
            return
        child = self.launch.child
        neighbour = None if child.group == child.pid else child.group
        program = self.launch.program._replace(argv=argv, neighbour=neighbour)
        try:
            self.commands.append(Command(self.reactor, program, limit_s, done))
        except OSError as error:
            done(str(error))

    def _fail(self, words: str, grace_s: Optional[float]) -> None:
        """End it because a probe or hook says that it is not well; what follows is up to its restart policy."""
        self.cause = words
        self.stop(self.place.spec["grace_s"] if grace_s is None else grace_s, has_turn=True)

    # Stop

    def stop(self, grace_s: float, *, has_turn: bool = True, is_cut_short: bool = True) -> None:
        """End it: preStop, TERM once it has its turn, KILL when the grace period is over."""
        if self.is_over or self.ending is not None:
            return
        if self.is_stopping:
            if has_turn:
                self.give_turn()
            return
        self.is_stopping = True
        self.has_turn = has_turn
        self.is_cut_short = is_cut_short
        self.health.end()
        self.deadline = self.reactor.after(grace_s, self._grace_is_over)
        hook = self.order["hooks"].get("pre_stop") if self.is_running else None
        if hook is None:
            self._pre_stop_done(None)
        else:
            self._ask(hook, None, self._pre_stop_done)
        self.on_change()

    def give_turn(self) -> None:
        if self.is_stopping and not self.has_turn:
            self.has_turn = True
            self._tell()

    def _pre_stop_done(self, failure: Optional[str]) -> None:
        if failure is not None:
            say("preStop hook of %s failed: %s" % (self.order["name"], failure))
        self.is_hook_done = True
        self._tell()

    def _tell(self) -> None:
        """TERM, if it is time for that."""
        if self.is_running and self.is_hook_done and self.has_turn and self.told_at is None:
            self.told_at = time.monotonic()
            self.send(self.order["stop_signal"])

    def _grace_is_over(self) -> None:
        if self.is_over or self.ending is not None:
            return
        self.is_hook_done = self.has_turn = True
        least_s = self.place.spec["least_stop_s"] if self.is_running else 0.0
        if self.told_at is None:
            self._tell()
            left_s = least_s
        else:
            left_s = min(self.told_at + least_s - time.monotonic(), least_s)
        if left_s > 0:
            self.reactor.after(left_s, self._kill)
        else:
            self._kill()

    def _kill(self) -> None:
        if self.launch is not None and self.ending is None and not self.is_over:
            self.was_killed = True
            send_to_group(self.launch.child, signal.SIGKILL)

    def send(self, number: int) -> None:
        if self.is_running and self.ending is None and self.launch is not None:
            send_to_group(self.launch.child, number)

    # End

    def _ended(self, ending: Ending) -> None:
        self.ending = ending
        self.is_running = False
        self.health.end()
        for command in self.commands:
            command.kill()
        if self.is_launched and not self.is_over:
            self._collect()

    def _collect(self) -> None:
        """Wait for the last of its output, and for its message, before anything is said of its end."""
        assert self.pump is not None
        pump = self.pump
        exit_code = self.ending.exit_code if self.ending else START_FAILED
        containers = len(self.place.spec["containers"])

        def collect() -> str:
            pump.join(DRAIN_S)
            words = message(self.place.message_file(self.order), containers)
            if not words and exit_code != 0 and self.order["message_from_log"]:
                words = last_words(self.place.file(self.order, "out"), containers)
            return words

        self.reactor.errand(collect, lambda outcome: self._judge(outcome()))

    def _judge(self, words: str) -> None:
        assert self.ending is not None
        failure = self.launch_failure
        if failure is not None:
            is_final = failure.reason == "MountsUnavailable"
            self._over(End(failure.exit_code, None, failure.reason, str(failure), is_final))
            return
        code, number = self.ending
        told = ""
        if self.is_cut_short and code == 0:
            # What was cut short must not look complete, however politely it went.
            code, told = 128 + signal.SIGTERM, "ended with exit code 0 after it was told to stop"
        words = "\n".join(filter(None, (self.cause, told, words)))
        reason = "Completed" if code == 0 else "OOMKilled" if self._ran_out_of_memory(code) else "Error"
        self._over(End(code, number, reason, words))

    def _ran_out_of_memory(self, code: int) -> bool:
        if code != KILLED or self.was_killed or self.oom_kills is None:
            return False
        return (count_oom_kills() or 0) > self.oom_kills

    def _over(self, end: End) -> None:
        self.is_over = self.has_settled = True
        self.is_running = False
        self.health.end()
        self.start_timer.cancel()
        if self.deadline is not None:
            self.deadline.cancel()
        self.on_end(end)
