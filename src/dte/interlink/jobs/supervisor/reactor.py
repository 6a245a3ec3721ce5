"""The one thread that decides: signals, ends of children, timers and errands come to it one at a time."""

import collections
import heapq
import itertools
import os
import signal
import threading
import time
from typing import Callable, Deque, Dict, FrozenSet, List, Tuple, TypeVar

from .processes import Child, Ending, ending, kill_session

T = TypeVar("T")
Outcome = Callable[[], T]
"""Of an errand: gives what its work returned, or raises what it raised."""

FAR_AWAY_S = 3600.0


class Timer:
    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.is_pending = True

    def cancel(self) -> None:
        self.is_pending = False


class Reactor:
    """Calls back in the thread that calls `turn`. `signals` must be blocked in all threads, SIGCHLD among them."""

    def __init__(self, signals: FrozenSet[signal.Signals], on_signal: Callable[[int], None]) -> None:
        self.signals = signals
        self.on_signal = on_signal
        self.thread = threading.get_ident()
        self.numbers = itertools.count()
        self.timers: List[Tuple[float, int, Timer]] = []
        self.children: Dict[int, Tuple[Child, Callable[[Ending], None]]] = {}
        self.news: Deque[Callable[[], None]] = collections.deque()

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        timer = Timer(action)
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.numbers), timer))
        return timer

    def errand(self, work: Callable[[], T], then: Callable[[Outcome[T]], None]) -> None:
        """Do `work`, which may block, in a thread of its own, and call `then` in ours."""

        def run() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - `then` is given it, whatever it is
                failure = error

                def fail() -> T:
                    raise failure

                self.news.append(lambda: then(fail))
            else:
                self.news.append(lambda: then(lambda: result))
            signal.pthread_kill(self.thread, signal.SIGCHLD)

        threading.Thread(target=run, daemon=True).start()

    def when_ended(self, child: Child, then: Callable[[Ending], None]) -> None:
        self.children[child.pid] = (child, then)

    def turn(self) -> None:
        """Wait for something to happen, and do all that follows."""
        event = signal.sigtimedwait(self.signals, self._pause_s())
        if event is not None and event.si_signo != signal.SIGCHLD:
            self.on_signal(event.si_signo)
        self._reap()
        while self.news:
            self.news.popleft()()
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            timer = heapq.heappop(self.timers)[2]
            if timer.is_pending:
                timer.is_pending = False
                timer.action()

    def _pause_s(self) -> float:
        while self.timers and not self.timers[0][2].is_pending:
            heapq.heappop(self.timers)
        if self.news:
            return 0.0
        return min(max(self.timers[0][0] - time.monotonic(), 0.0), FAR_AWAY_S) if self.timers else FAR_AWAY_S

    def _reap(self) -> None:
        """Take note of every child that ended; orphans of the containers are our children, too."""
        while True:
            try:
                # WNOWAIT: as long as it is not waited for, its number is nobody else's and its group can be killed.
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            known = self.children.pop(found.si_pid, None)
            if known is not None:
                kill_session(known[0])
            _, status = os.waitpid(found.si_pid, 0)
            if known is not None:
                known[1](ending(status))
