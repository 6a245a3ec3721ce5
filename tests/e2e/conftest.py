"""The whole site, as `make site` leaves it; shared by all tests of this folder."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import demo, onboard

ACCOUNT = "twin01"
NAMESPACE = "default"
LIMIT_S = 90


@dataclass(frozen=True, slots=True)
class Site:
    """What a user (kubectl), an administrator (on) and the batch system (slurm) see."""

    kubectl: demo.Kubectl
    hosts: Mapping[str, Mapping[str, Any]]

    def on(self, host: str, *command: str) -> str:
        """Run a command as root in a container of the lab; its standard output."""
        argv = ["docker", "exec", self.hosts[host]["container"], *command]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LIMIT_S)
        assert done.returncode == 0, f"{host}: {' '.join(command)}: {done.stderr}{done.stdout}"
        return done.stdout

    def pod(self, name: str) -> Mapping[str, Any]:
        return json.loads(self.kubectl.run("get", "pod", name, "-o", "json"))

    def wait_for(self, name: str, phase: str) -> Mapping[str, Any]:
        """The pod in `phase`; a pod that ends in another one fails the test with what Kubernetes tells of it."""
        deadline = time.monotonic() + LIMIT_S
        while (pod := self.pod(name))["status"].get("phase") != phase:
            ended = pod["status"].get("phase") in demo.TERMINAL
            assert not ended, f"{name} is {pod['status']}"
            assert time.monotonic() < deadline, self.kubectl.run("describe", "pod", name)
            time.sleep(0.2)
        return pod

    def jobs_of(self, pod: Mapping[str, Any]) -> list[str]:
        """Ids of all jobs, running or ended, that were ever submitted under the pod's UID."""
        squeue = ("squeue", "--noheader", "--states=all", f"--name={pod['metadata']['uid']}", "--format=%i")
        return self.on("slurm1", *squeue).split()


@pytest.fixture(scope="session")
def site() -> Site:
    """The site, brought up when it is not."""
    assert onboard.bring_up() == 0, "the site did not come up; see the output above"
    state = json.loads((demo.ROOT / ".lab" / "site.json").read_text())
    return Site(demo.Kubectl(Path(state["kubeconfig"])), state["hosts"])


@pytest.fixture
def apply(site: Site) -> Iterator[Callable[..., str]]:
    """Apply a pod made of a shell command (and more of its spec); the pod is gone after the test."""
    names: list[str] = []

    def make(name: str, command: str, **spec: Any) -> str:
        pod = yaml.safe_load(demo.EXAMPLE.read_text())
        pod["metadata"]["name"] = name
        pod["spec"]["containers"][0]["args"] = [command]
        pod["spec"].update(spec)
        names.append(name)
        site.kubectl.run("apply", "--filename=-", stdin=json.dumps(pod))
        return name

    yield make
    for name in names:
        site.kubectl.run("delete", "pod", name, "--ignore-not-found", "--grace-period=1")


@pytest.fixture(autouse=True)
def told_when_slow(request: pytest.FixtureRequest) -> Iterator[None]:
    """Name each test as it begins: a hang then shows where."""
    print(request.node.name, file=sys.stderr, flush=True)
    yield
