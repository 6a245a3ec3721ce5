"""The running site as tests and benchmarks see it: kubectl for the user, commands on hosts, counters."""

import json
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import demo, onboard

ACCOUNT = "twin01"
"""The local account whose jobs the pods of namespace default are."""
LIMIT_S = 90
POLLS = ("edge", f"/run/dte/interlink-slurm/{ACCOUNT}.admin.sock", "dte_slurm_polls_total")
_VK_ADMIN = "/run/dte/virtual-kubelet/lab-main.admin.sock"
API_WRITES = ("federation", _VK_ADMIN, r'dte_vk_api_writes_total(?=\{[^}]*resource="(?:pods|pods/status|events)")')
"""Those for pods: the node's status and lease are written whether there are pods or not."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a user (kubectl) and an administrator (on) can do."""

    kubectl: demo.Kubectl
    hosts: Mapping[str, Mapping[str, Any]]

    def on(self, host: str, *command: str) -> str:
        """Run a command as root in a container of the lab; its standard output."""
        argv = ["docker", "exec", self.hosts[host]["container"], *command]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LIMIT_S)
        assert done.returncode == 0, f"{host}: {' '.join(command)}: {done.stderr}{done.stdout}"
        return done.stdout

    def container(self, host: str) -> str:
        """The container of a host, as the functions of `faults` take it."""
        return str(self.hosts[host]["container"])

    def apply(self, pod: Mapping[str, Any]) -> None:
        self.kubectl.run("apply", "--filename=-", stdin=json.dumps(pod))

    def pod(self, name: str, namespace: str = "default") -> Mapping[str, Any]:
        words = ("get", "pod", name, f"--namespace={namespace}", "--output=json")
        pod: Mapping[str, Any] = json.loads(self.kubectl.run(*words))
        return pod

    def wait_for(self, name: str, phase: str, *, namespace: str = "default") -> Mapping[str, Any]:
        """The pod in `phase`; one that ends in another phase fails at once, with what Kubernetes tells of it."""
        deadline = time.monotonic() + LIMIT_S
        while (pod := self.pod(name, namespace))["status"].get("phase") != phase:
            ended = pod["status"].get("phase") in demo.TERMINAL
            assert not ended, f"{name} is {pod['status']}"
            assert time.monotonic() < deadline, self.kubectl.run("describe", "pod", name, f"--namespace={namespace}")
            time.sleep(0.2)
        return pod

    def events_of(self, name: str, namespace: str = "default") -> str:
        """The messages of a pod's events, a line each."""
        words = ("get", "events", f"--namespace={namespace}", f"--field-selector=involvedObject.name={name}")
        return self.kubectl.run(*words, "--output=jsonpath={range .items[*]}{.message}{'\\n'}{end}")

    def jobs_of(self, pod: Mapping[str, Any]) -> list[str]:
        """Ids of all jobs, running or ended, that were ever submitted for the pod: by their directory.

        The site's plugin gives some of them another name.
        """
        lines = self.on("slurm1", "squeue", "--noheader", "--states=all", "--format=%i %Z").splitlines()
        return [line.split()[0] for line in lines if line.endswith(f"-{pod['metadata']['uid']}")]

    def slurm_rpcs(self, account: str = ACCOUNT) -> int:
        """Calls that slurmctld has served for the account since it started (sdiag, by user)."""
        match = re.search(rf"^\s*{account}\s+\(.*?count:(\d+)", self.on("slurm1", "sdiag"), re.MULTILINE)
        return int(match[1]) if match else 0

    def metric(self, host: str, socket: str, name: str) -> float:
        """Sum of all series of a daemon's counter (a regular expression), read from its admin socket."""
        text = self.on(host, "curl", "--silent", "--fail", "--unix-socket", socket, "http://localhost/metrics")
        values = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for value in values)


def site() -> Site:
    """The site, brought up when it is not. Raises SystemExit when it does not come up."""
    if onboard.bring_up() != 0:
        raise SystemExit("the site did not come up; see the output above")
    state = json.loads((demo.ROOT / ".lab" / "site.json").read_text())
    return Site(demo.Kubectl(Path(state["kubeconfig"])), state["hosts"])
