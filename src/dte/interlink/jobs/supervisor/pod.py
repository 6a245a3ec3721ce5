"""The pod of a job directory, from its first container to its last."""

import contextlib
import json
import os
import signal
import socket
import time
from functools import partial
from typing import Any, Dict, List, Optional

from .container import Container
from .files import go_time, replace_file, rfc3339, say, write_whole
from .launcher import START_FAILED
from .memory_volumes import Holder, HolderFailed
from .place import Place
from .processes import kill_children
from .programs import sandbox_problem
from .reactor import Outcome, Reactor
from .run import End
from .usage import overfull

SCHEMA = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
FORWARDED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
WATCHED_SIGNALS = frozenset((signal.SIGCHLD, *STOP_SIGNALS, *FORWARDED_SIGNALS))


class Pod:
    """Init containers in order, then all others; sidecars run from their turn on until the others are over.

    `advance` looks at what there is and takes the next steps, whatever has happened before: it may be called at any
    time.
    """

    def __init__(self, directory: str, job_id: str, spec: Dict[str, Any]) -> None:
        self.spec = spec
        self.job_id = job_id
        self.place = Place(directory, spec)
        self.reactor = Reactor(WATCHED_SIGNALS, self.on_signal)
        reason = "PodInitializing" if any(order["kind"] == "init" for order in spec["containers"]) else ""
        self.containers = [
            Container(self.reactor, self.place, order, reason or "ContainerCreating", self.on_change)
            for order in spec["containers"]
        ]
        self.started_at = time.time()
        self.finished_at: Optional[float] = None
        self.has_changed = False
        self.is_ending = False

    @property
    def sidecars(self) -> List[Container]:
        return [container for container in self.containers if container.is_sidecar]

    @property
    def workers(self) -> List[Container]:
        """Containers whose ends are the pod's."""
        return [container for container in self.containers if not container.is_sidecar]

    @property
    def exit_code(self) -> int:
        """The highest of those that count."""
        return max(container.exit_code for container in self.containers)

    # The whole

    def run(self) -> int:
        """Run everything; returns the exit code of the job."""
        self.sweep_files_of_an_earlier_run()
        replace_file(self.place.path("StartedAt.time"), go_time(self.started_at))
        self.publish()
        self.check_node()
        if self.spec["deadline_s"] is not None:
            self.reactor.after(self.spec["deadline_s"], self.deadline_is_over)
        self.look_at_sizes_later(self.spec["size_check_s"])
        self.advance()
        while not all(container.is_over for container in self.containers):
            if self.has_changed:
                self.publish()
            self.reactor.turn()
            self.advance()
        self.finish()
        return self.exit_code

    def sweep_files_of_an_earlier_run(self) -> None:
        """Of this job before it was requeued: an old exit status would end a container that is about to run."""
        for path in [self.place.file(container.order, "status") for container in self.containers] + [
            self.place.path("FinishedAt.time")
        ]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def check_node(self) -> None:
        if not any(container.order["mounts"] for container in self.containers):
            return
        bwrap, limit_s = self.spec["bwrap"], self.spec["start_limit_s"]
        problem = sandbox_problem(bwrap.encode(), limit_s)
        in_memory = [limit for limit in self.spec["size_limits"] if limit["is_memory"]]
        if problem is None and in_memory:
            try:
                self.place.holder = Holder(self.place.directory, in_memory, bwrap, limit_s)
            except HolderFailed as error:
                problem = str(error)
        if problem is not None:
            self.abandon_rest(End(START_FAILED, None, "MountsUnavailable", problem))

    # Steps

    def advance(self) -> None:
        self.start_what_may()
        if all(container.is_over for container in self.workers):
            self.end_sidecars()
        self.give_turns()

    def start_what_may(self) -> None:
        if self.is_ending:
            return
        for container in self.containers:
            if container.is_new:
                container.start()
            if not self.may_go_on_after(container):
                return

    def may_go_on_after(self, container: Container) -> bool:
        """Whether what stands behind `container` in the pod may start."""
        if not container.is_init:
            return container.has_settled or "post_start" not in container.order["hooks"]
        if container.is_sidecar:
            return container.is_started
        if not container.is_over:
            return False
        if container.exit_code != 0:
            words = "init container %s ended with exit code %d" % (container.name, container.exit_code)
            self.abandon_rest(End(container.exit_code, None, "InitContainerFailed", words))
            return False
        return True

    def abandon_rest(self, end: End) -> None:
        """What has not been started never will be."""
        for container in self.containers:
            if container.is_new:
                container.abandon(end)

    def end_sidecars(self) -> None:
        if not self.is_ending:
            self.is_ending = True
            self.end("", "", self.sidecars)

    def give_turns(self) -> None:
        """Sidecars are told to end in reverse order, each when all that came after it is over."""
        if self.is_ending and all(container.is_over for container in self.workers):
            for container in reversed(self.sidecars):
                container.give_turn()
                if not container.is_over:
                    return

    # Stop

    def stop(self, reason: str, message: str) -> None:
        """End everything before its time; what does not run never will."""
        if not self.is_ending:
            self.is_ending = True
            self.end(reason, message, self.containers)

    def end(self, reason: str, message: str, containers: List[Container]) -> None:
        for container in containers:
            container.stop(reason, message, self.spec["grace_s"], has_turn=not container.is_sidecar)

    def deadline_is_over(self) -> None:
        say("activeDeadlineSeconds are over")
        self.stop("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")

    def look_at_sizes_later(self, pause_s: float) -> None:
        limits = [limit for limit in self.spec["size_limits"] if not limit["is_memory"]]
        if limits:
            look = partial(overfull, limits, self.place.directory)
            self.reactor.after(pause_s, lambda: self.reactor.errand(look, self.looked_at_sizes))

    def looked_at_sizes(self, outcome: Outcome[Optional[str]]) -> None:
        words = outcome()
        if words is None:
            self.look_at_sizes_later(self.spec["size_check_s"])
        else:
            self.stop("Evicted", words)

    def on_signal(self, number: int) -> None:
        if number in FORWARDED_SIGNALS:
            for container in self.containers:
                container.send(number)
        else:
            say("told to stop by signal %d" % number)
            self.stop("Stopped", "")

    def finish(self) -> None:
        kill_children()
        self.finished_at = time.time()
        for pause_s in (0, 1, 4, 10):  # a full disk or quota is sometimes somebody's who is cleaning up
            time.sleep(pause_s)
            try:
                replace_file(self.place.path("FinishedAt.time"), go_time(self.finished_at))
                self.write_status()
                break
            except OSError as error:
                say("last status: %s" % error)
        self.notify()

    # Telling

    def on_change(self) -> None:
        """Told once for all that happens at a time."""
        self.has_changed = True

    def publish(self) -> None:
        """Containers go on when nobody can be told of them."""
        self.has_changed = False
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
            "exit_code": None if self.finished_at is None else self.exit_code,
            "containers": {container.name: container.to_wire() for container in self.containers},
        }
        write_whole(self.place.path("status.json"), json.dumps(status).encode())

    def notify(self) -> None:
        """Rename a file into the notice directory: whoever watches it learns which pod to look at."""
        try:
            replace_file(os.path.join(self.spec["notices"], self.spec["uid"]), (self.job_id + "\n").encode())
        except OSError as error:
            say("notice: %s" % error)
