"""The pod of a job directory, from its first container to the last."""

import contextlib
import json
import os
import signal
import socket
import time
from typing import Any, Dict, List, Optional

from .container import Container, should_restart
from .environment import inherited_environment
from .files import go_time, replace_file, rfc3339, say, write_whole
from .launcher import START_FAILED, Program, StartFailed
from .output import Pump, output_pipe
from .processes import Ending, ending, kill_children, kill_session, send_to_group
from .programs import sandbox_problem, start_program
from .sandbox import HostFiles, Mount, MountRefused, join, make_mount_point, plan_sandbox

SCHEMA = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
FORWARDED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
WATCHED_SIGNALS = frozenset((signal.SIGCHLD, *STOP_SIGNALS, *FORWARDED_SIGNALS))
FAR_AWAY_S = 3600.0


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
