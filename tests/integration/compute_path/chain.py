"""The whole compute path with real ends: API server, virtual kubelet, interLink API, Slurm sidecar, Slurm."""

import contextlib
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.integration.compute_path.daemons import HereProcess, InsideProcess, Process, Service
from tests.lab.fixtures import KubeLab, SlurmLab
from tests.lab.progress import wait_for

LIMIT_S = 300.0
"""Far beyond what any step takes: reached only when something is broken."""
TERMINAL = frozenset({"Succeeded", "Failed"})


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass
class Chain:
    """One node, one namespace, one job root; daemons named by their commands."""

    kube: KubeLab
    slurm: SlurmLab
    files: Path
    mark: str = field(default_factory=lambda: secrets.token_hex(3))
    services: dict[str, Service] = field(default_factory=dict)

    @property
    def node(self) -> str:
        return f"chain-{self.mark}"

    @property
    def namespace(self) -> str:
        return f"chain-{self.mark}"

    @property
    def root(self) -> str:
        """The job root, as everything in the cluster sees it."""
        return f"/exa/twin01/chain-{self.mark}"

    @property
    def witness(self) -> str:
        """A directory where each program notes that it ran: one line in a file named by its pod's UID."""
        return f"{self.root}-witness"

    # The daemons

    def make(self) -> None:
        """Configure all three; nothing runs yet."""
        sidecar = self._sidecar_config()
        self.add("interlink-slurm", lambda life: InsideProcess(self.slurm, self._serve("interlink-slurm", sidecar)))
        api = self._write("api.yaml", self._api_settings())
        self.add("interlink-api", lambda life: HereProcess(self._serve("interlink-api", api), self._log("api", life)))
        self.add_kubelet("virtual-kubelet")

    def add_kubelet(self, name: str) -> None:
        """A virtual kubelet of this chain's node; a second one is a second one for the same node."""
        config = self._write(f"{name}.yaml", self._kubelet_settings(name))
        self.add(name, lambda life: HereProcess(self._serve("virtual-kubelet", config), self._log(name, life)))

    def add(self, name: str, spawn: Callable[[int], Process]) -> None:
        self.services[name] = Service(name, spawn)

    def _serve(self, component: str, config: str) -> Sequence[str]:
        return (component, "serve", "--config", config)

    def _log(self, name: str, life: int) -> Path:
        return self.files / f"{name}-{life}.log"

    def _write(self, name: str, settings: Mapping[str, Any]) -> str:
        path = self.files / name
        path.write_text(yaml.safe_dump(dict(settings)))
        return str(path)

    def _sidecar_config(self) -> str:
        here = self.slurm.run_directory
        settings = {
            "Socket": f"unix://{here}/{self.mark}.sock",
            "DataRootFolder": self.root,
            "PollInterval": 1,
            "Admin": {"Listen": f"unix://{here}/{self.mark}.admin.sock"},
        }
        path = f"{here}/{self.mark}.yaml"
        self.slurm.write(path, yaml.safe_dump(settings).encode())
        self.slurm.run("mkdir", "-p", self.witness)
        return path

    def _api_settings(self) -> Mapping[str, Any]:
        account = {"Name": "twin01", "Socket": str(self.slurm.shared / f"{self.mark}.sock")}
        return {
            "InterlinkAddress": f"unix://{self.files}/api.sock",
            "Accounts": [{**account, "Namespaces": [self.namespace]}],
            "StateDirectory": str(self.files / "api-state"),
            "Admin": {"Listen": f"unix://{self.files}/api.admin.sock"},
        }

    def _kubelet_settings(self, name: str) -> Mapping[str, Any]:
        address = self.kube.host_address
        certificate, key, client_ca = self.kube.kubelet_files(self.files, self.node)
        return {
            "NodeName": self.node,
            "KubeconfigFile": str(self.kube.virtual_kubelet_kubeconfig(self.files)),
            "NodeIP": address,
            "KubeletListen": f"{address}:{free_port(address)}",
            "KubeletCertFile": str(certificate),
            "KubeletKeyFile": str(key),
            "KubeletClientCAFile": str(client_ca),
            "InterlinkURL": f"unix://{self.files}/api.sock",
            "StatusInterval": 1,
            "PingInterval": 1,
            "KubernetesApiAddr": "192.0.2.1",
            "KubernetesApiPort": 6443,
            "Admin": {"Listen": f"127.0.0.1:{free_port('127.0.0.1')}"},
        }

    # Pods

    def pod(self, name: str, command: str, **spec: Any) -> dict[str, Any]:
        """A pod whose program first notes that it ran."""
        toleration = {"key": "virtual-node.interlink/no-schedule", "operator": "Exists"}
        variable = {"name": "UID_OF_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
        line = f"echo $SLURM_JOB_ID >> {self.witness}/$UID_OF_POD; {command}"
        container = {"name": "c", "image": "img", "command": ["/bin/sh", "-c", line], "env": [variable]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": self.node},
                "tolerations": [toleration],
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 5,
                "containers": [container],
                **spec,
            },
        }

    def pods(self) -> dict[str, dict[str, Any]]:
        """All pods of the namespace by UID, as Kubernetes has them."""
        items = self.kube.get("pods", "--namespace", self.namespace)["items"]
        return {item["metadata"]["uid"]: item for item in items}

    def delete(self, *names: str, force: bool = False) -> None:
        how = ("--force", "--grace-period=0") if force else ()
        self.kube.kubectl("delete", "pod", *names, "--namespace", self.namespace, "--wait=false", *how)

    def until(self, what: str, holds: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        wait_for(what, lambda: None if holds() else f"logs in {self.files}", limit_s)

    # What really happened

    def jobs(self) -> dict[str, dict[str, str]]:
        """State by id of every job of this chain that accounting or the controller knows, by name."""
        fields = "--format=JobIDRaw,State,WorkDir,JobName"
        accounted = self.slurm.run("sacct", "-X", "-n", "-P", "--starttime=now-1day", fields).splitlines()
        queued = self.slurm.run("squeue", "--me", "--noheader", "--states=all", "--format=%i|%T|%Z|%j").splitlines()
        jobs: dict[str, dict[str, str]] = {}
        for line in (*accounted, *queued):
            job_id, state, work_dir, name = line.split("|", 3)
            if work_dir.startswith(f"{self.root}/"):
                jobs.setdefault(name, {})[job_id] = state
        return jobs

    def ran(self) -> dict[str, list[str]]:
        """Ids of the jobs whose program ran, by UID of their pod."""
        script = f"cd {self.witness} && grep --with-filename . * || true"
        lines = self.slurm.run("sh", "-c", script).splitlines()
        ran: dict[str, list[str]] = {}
        for line in lines:
            uid, job_id = line.split(":", 1)
            ran.setdefault(uid, []).append(job_id)
        return ran


@contextlib.contextmanager
def a_chain(kube: KubeLab, slurm: SlurmLab, files: Path) -> Iterator[Chain]:
    """All three daemons run; at the end everything of the chain is removed."""
    chain = Chain(kube, slurm, files)
    chain.make()
    kube.kubectl("create", "namespace", chain.namespace)
    try:
        for service in chain.services.values():
            service.start()
        account = ("get", "serviceaccount", "default", "--namespace", chain.namespace, "--ignore-not-found")
        chain.until("service account", lambda: bool(kube.kubectl(*account)))
        chain.until("node", lambda: bool(kube.kubectl("get", "node", chain.node, "--ignore-not-found")))
        yield chain
    finally:
        with contextlib.suppress(Exception):
            kube.kubectl("delete", "pods", "--all", "--namespace", chain.namespace, "--force", "--grace-period=0")
        for service in reversed(chain.services.values()):
            service.stop()
        kube.kubectl("delete", "namespace", chain.namespace, "--wait=false")
        kube.kubectl("delete", "node", chain.node, "--ignore-not-found")
        ids = [job_id for jobs in chain.jobs().values() for job_id in jobs]
        slurm.run("scancel", *ids, check=False)
        slurm.run("rm", "-rf", chain.root, chain.witness)
