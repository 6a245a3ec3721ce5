"""A real sidecar beside the real Slurm, and a client of it that is a test."""

import contextlib
import http.client
import itertools
import json
import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab.fixtures import SlurmLab
from tests.lab.inside import Daemon

LIMIT_S = 60.0
START_LIMIT_S = 30.0
_count = itertools.count()


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("sidecar", timeout=LIMIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    @property
    def json(self) -> Any:
        assert self.status == 200, self
        return json.loads(self.text)


@dataclass
class Sidecar:
    """One job root with one configuration; `running` starts a daemon on it, as often as a test likes."""

    slurm: SlurmLab
    name: str
    keys: Mapping[str, Any]
    user: str = "twin01"

    @property
    def root(self) -> str:
        return f"/exa/{self.user}/{self.name}"

    def directory(self, pod: Mapping[str, Any]) -> str:
        """The pod's job directory."""
        return f"{self.root}/{pod['metadata']['namespace']}-{pod['metadata']['uid']}"

    def configure(self, **keys: Any) -> str:
        """Write the configuration; its path in the container."""
        settings = {
            "Socket": f"unix://{self.slurm.run_directory}/{self.name}.sock",
            "DataRootFolder": self.root,
            "PollInterval": 1,
            "Admin": {"Listen": f"unix://{self.slurm.run_directory}/{self.name}.admin.sock"},
            **self.keys,
            **keys,
        }
        path = f"{self.slurm.run_directory}/{self.name}.yaml"
        self.slurm.write(path, yaml.safe_dump(settings).encode())
        return path

    @contextlib.contextmanager
    def running(self, **keys: Any) -> Iterator[Daemon]:
        argv = ["dte", "interlink-slurm", "serve", "--config", self.configure(**keys)]
        with self.slurm.daemon(argv, user=self.user) as daemon:
            self._wait_until_ready(daemon)
            yield daemon

    def _wait_until_ready(self, daemon: Daemon) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            assert daemon.client.poll() is None, daemon.log.read_text()
            with contextlib.suppress(OSError):
                if self.call("GET", "/healthz", socket_name="admin.sock").status == 200:
                    self.call("GET", "/status", [{"metadata": {}}])
                    return
            time.sleep(0.05)
        raise AssertionError(daemon.log.read_text())

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        socket_name: str = "sock",
    ) -> Answer:
        connection = _Connection(self.slurm.shared / f"{self.name}.{socket_name}")
        try:
            connection.request(method, path, body=json.dumps(body).encode(), headers=dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.read().decode())
        finally:
            connection.close()

    def create(self, pod: Mapping[str, Any], **volumes: Any) -> Answer:
        containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
        body = {"pod": pod, "container": [{"name": c["name"], **volumes} for c in containers], "jobConfig": {}}
        return self.call("POST", "/create", body)

    def delete(self, pod: Mapping[str, Any]) -> Answer:
        return self.call("DELETE", "/delete", pod)

    def status(self, pod: Mapping[str, Any]) -> Any:
        answers = self.call("GET", "/status", [pod]).json
        return answers[0] if answers else None

    def log(self, pod: Mapping[str, Any], container: str = "main", **options: Any) -> str:
        metadata = pod["metadata"]
        request = {
            "Namespace": metadata["namespace"],
            "PodUID": metadata["uid"],
            "PodName": metadata["name"],
            "ContainerName": container,
            "Opts": options,
        }
        answer = self.call("GET", "/getLogs", request)
        assert answer.status == 200, answer
        return answer.text

    def wait_for(self, pod: Mapping[str, Any], state: str, *, limit_s: float = LIMIT_S) -> list[Mapping[str, Any]]:
        """The states of the pod's containers once all of them are in `state`."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            status = self.status(pod)
            if status is not None and all(state in c["state"] for c in status["containers"]):
                return [c["state"][state] for c in status["containers"]]
            time.sleep(0.1)
        raise AssertionError(f"not {state} within {limit_s} s: {status}\n{self.slurm.run('squeue', '-t', 'all')}")

    def exit_codes(self, pod: Mapping[str, Any]) -> list[int]:
        return [state["exitCode"] for state in self.wait_for(pod, "terminated")]

    def jobs_of(self, pod: Mapping[str, Any]) -> list[str]:
        """States of all jobs that were ever submitted for the pod and that the controller still knows."""
        name = f"--name={pod['metadata']['uid']}"
        words = ("squeue", "--me", "--noheader", "--states=all", name, "--format=%T")
        return self.slurm.run(*words, user=self.user).split()

    def metric(self, name: str) -> float:
        text = self.call("GET", "/metrics", socket_name="admin.sock").text
        match = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert match, f"no {name} in {text}"
        return float(match[1])


def until(holds: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextlib.contextmanager
def a_sidecar(slurm: SlurmLab, *, user: str = "twin01", **keys: Any) -> Iterator[Sidecar]:
    """A sidecar that is not running yet; what it leaves is removed at the end."""
    sidecar = Sidecar(slurm, f"it-{os.getpid()}-{next(_count)}", keys, user)
    try:
        yield sidecar
    finally:
        slurm.cancel_all_jobs(user)
        slurm.run("rm", "-rf", sidecar.root, user=user)


def a_pod(command: str, **spec: Any) -> dict[str, Any]:
    """A pod with one container `main` that runs a line of shell."""
    return pod_of({"name": "main", "image": "img", "command": ["/bin/sh", "-c", command]}, **spec)


def pod_of(*containers: Mapping[str, Any], annotations: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "hello",
            "namespace": "default",
            "uid": str(uuid.uuid4()),
            "annotations": dict(annotations or {}),
        },
        "spec": {"containers": list(containers), "restartPolicy": "Never", **spec},
    }
