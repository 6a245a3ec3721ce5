"""Fixtures for tests against real systems. Each starts its part of the lab if need be, and leaves it up."""

import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import control_plane, engine, pki, site, slurm
from tests.lab.inside import Daemon, daemon
from tests.lab.names import SUITE_LABEL, Lab, this_lab, wanted_suite


@dataclass(frozen=True, slots=True)
class SlurmLab:
    """The real cluster. Commands run in its container, where `dte` is the checkout's own code."""

    lab: Lab
    container: str
    suite: str

    run_directory = slurm.RUN_DIRECTORY
    """Inside the container; a socket or file in here is at `shared` on this machine."""

    @property
    def shared(self) -> Path:
        """This machine's view of `run_directory`; everybody may write there."""
        return self.lab.directory / "run"

    def run(self, *argv: str, user: str = "twin01", stdin: bytes = b"", check: bool = True) -> str:
        """Standard output of a command run as `user`. LabError when it fails and `check` is true."""
        return engine.execute(self.container, argv, user=user, stdin=stdin, check=check)

    def popen(self, *argv: str, user: str = "twin01") -> subprocess.Popen[bytes]:
        """A running command, output piped: to read a stream. Ending it does not end the program inside."""
        command = ["docker", "exec", "-i", "-u", user, self.container, *argv]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def daemon(self, argv: Sequence[str], *, user: str = "twin01") -> AbstractContextManager[Daemon]:
        """A daemon in the container for the length of a `with` block."""
        return daemon(self.container, self.shared, argv, user=user)

    def write(self, path: str, data: bytes, *, owner: str = "twin01:twin01", mode: str = "0644") -> None:
        """A file in the container."""
        engine.write_file(self.container, path, data, owner=owner, mode=mode)

    def cancel_all_jobs(self, user: str = "twin01") -> None:
        self.run("scancel", "--full", "--user", user, user=user)


@dataclass(frozen=True, slots=True)
class KubeLab:
    """The real control plane. There is no node in it until a test's virtual kubelet makes one."""

    lab: Lab

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return control_plane.admin_kubeconfig(self.lab)

    @property
    def host_address(self) -> str:
        """Where the API server reaches this machine: the node address of a virtual kubelet that a test starts."""
        return engine.gateway(self.lab.network)

    def kubectl(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> str:
        """Standard output of kubectl as administrator. LabError with its words when it fails and `check` is true."""
        return control_plane.kubectl(self.lab, *arguments, stdin=stdin, check=check)

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get ARGUMENTS` as an object."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects as they are given."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename=-", stdin=json.dumps(listed).encode())

    def virtual_kubelet_kubeconfig(self, directory: Path) -> Path:
        """A kubeconfig with no more rights than the role's manifest gives; the file lies in `directory`."""
        path = directory / "virtual-kubelet.kubeconfig"
        pki.write_private(path, control_plane.virtual_kubelet_kubeconfig(self.lab))
        return path

    def kubelet_files(self, directory: Path, node: str) -> tuple[Path, Path, Path]:
        """For a kubelet port at `host_address`: certificate, key, and the authority of the API server's client."""
        pair = control_plane.kubelet_certificate(self.lab, node, self.host_address)
        paths = (directory / f"{node}.pem", directory / f"{node}.key", directory / "kubelet-client-ca.pem")
        for path, data in zip(
            paths,
            (pair.certificate, pair.key, pki.kubernetes_authority(self.lab.directory).certificate),
            strict=True,
        ):
            pki.write_private(path, data)
        return paths

    @property
    def site_authority(self) -> pki.Authority:
        """Issues certificates for the interLink API (server) and its callers (client)."""
        return pki.site_authority(self.lab.directory)


@pytest.fixture(scope="session")
def lab_slurm() -> SlurmLab:
    """Slurm of the suite DTE_SUITE (trixie: 24.11, bookworm: 22.05)."""
    lab = this_lab()
    site.up(lab, ["slurm"], wanted_suite(os.environ))
    container = lab.container(slurm.HOST)
    facts = engine.inspect(container) or {}
    return SlurmLab(lab, container, facts["Config"]["Labels"][SUITE_LABEL])


@pytest.fixture(scope="session")
def lab_kube() -> KubeLab:
    """The Kubernetes control plane of this checkout's lab."""
    lab = this_lab()
    site.up(lab, ["kube"], wanted_suite(os.environ))
    return KubeLab(lab)
