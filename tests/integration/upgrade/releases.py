"""API and sidecar of this release or of the one before, as processes beside the real Slurm, and a kubelet's client."""

import contextlib
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from dte.interlink import wire
from dte.interlink.virtual_kubelet.site import InterlinkSite
from dte.runtime.address import UnixAddress
from tests.integration.interlink_slurm.sidecar import pod_of
from tests.lab.fixtures import SlurmLab
from tests.lab.inside import Daemon
from tests.lab.progress import wait_for
from tests.lab.project import LIBRARIES_IN_CONTAINER
from tests.tools import previous

LIMIT_S = 60.0
NODE = "vega-cpu"


class Release(Enum):
    """Which of the two a daemon is of."""

    PREVIOUS = "previous"
    NOW = "now"


OLD_COMMAND = """\
#!/usr/bin/python3 -B
import sys
sys.path[:0] = ["{package}", "{libraries}"]
from dte.cli import main
sys.exit(main())
"""


def install_previous(slurm: SlurmLab) -> str:
    """Put the previous release where the cluster's container sees it; its command there."""
    package = previous.package()
    name = f"previous-{package.name[:12]}"
    place = slurm.shared / name
    if not place.exists():
        shutil.copytree(package, place.with_suffix(".new"))
        place.with_suffix(".new").rename(place)
    path = f"{slurm.run_directory}/{name}"
    command = f"{path}.command"
    text = OLD_COMMAND.format(package=path, libraries=LIBRARIES_IN_CONTAINER)
    slurm.write(command, text.encode(), mode="0755")
    return command


@dataclass
class Edge:
    """The edge's two daemons with one job root and one table of owners, whatever release each is of."""

    slurm: SlurmLab
    name: str
    old_command: str

    @property
    def root(self) -> str:
        return f"/exa/twin01/{self.name}"

    def socket(self, daemon: str) -> Path:
        """On this machine."""
        return self.slurm.shared / f"{self.name}-{daemon}.sock"

    @contextlib.contextmanager
    def sidecar(self, release: Release) -> Iterator[Daemon]:
        keys = {"DataRootFolder": self.root, "PollInterval": 1, "Socket": f"unix://{self._inside('sidecar')}"}
        with self._running("sidecar", "interlink-slurm", keys, release) as daemon:
            yield daemon

    @contextlib.contextmanager
    def api(self, release: Release) -> Iterator[Daemon]:
        keys = {
            "InterlinkAddress": f"unix://{self._inside('api')}",
            "SidecarURL": f"unix://{self._inside('sidecar')}",
            "StateDirectory": f"{self.root}.state",
        }
        with self._running("api", "interlink-api", keys, release) as daemon:
            yield daemon

    def _inside(self, daemon: str) -> str:
        return f"{self.slurm.run_directory}/{self.name}-{daemon}.sock"

    @contextlib.contextmanager
    def _running(self, daemon: str, component: str, keys: dict[str, Any], release: Release) -> Iterator[Daemon]:
        path = f"{self.slurm.run_directory}/{self.name}-{daemon}.yaml"
        self.slurm.write(path, yaml.safe_dump(keys).encode())
        command = "dte" if release is Release.NOW else self.old_command
        self.socket(daemon).unlink(missing_ok=True)
        with self.slurm.daemon([command, component, "serve", "--config", path]) as running:
            wait_for(
                f"{component} ({release.value})", lambda: self._not_serving(daemon, running), LIMIT_S, interval_s=0.05
            )
            # The owner of the socket is the account; the client is this machine's user.
            self.slurm.run("chmod", "0666", self._inside(daemon))
            yield running

    def _not_serving(self, daemon: str, running: Daemon) -> str | None:
        assert running.client.poll() is None, running.log.read_text()
        return None if self.socket(daemon).exists() and '"serving"' in running.log.read_text() else "not serving"

    @contextlib.asynccontextmanager
    async def kubelet(self) -> AsyncIterator[InterlinkSite]:
        """This release's client of the API, as the virtual kubelet has it."""
        async with InterlinkSite(UnixAddress(self.socket("api")), node_name=NODE) as site:
            site.owner_id = f"cluster/{NODE}"
            yield site

    def clean(self) -> None:
        self.slurm.cancel_all_jobs()
        self.slurm.run("rm", "-rf", self.root, f"{self.root}.state")


@contextlib.contextmanager
def an_edge(slurm: SlurmLab) -> Iterator[Edge]:
    """No daemon of it runs yet; what they leave is removed at the end."""
    edge = Edge(slurm, f"up-{uuid.uuid4().hex[:8]}", install_previous(slurm))
    slurm.run("mkdir", "-m", "0700", f"{edge.root}.state")
    try:
        yield edge
    finally:
        edge.clean()


def a_pod(command: str) -> dict[str, Any]:
    pod = pod_of({"name": "main", "image": "img", "command": ["/bin/sh", "-c", command]})
    pod["spec"]["nodeName"] = NODE
    return pod


async def create(site: InterlinkSite, pod: dict[str, Any]) -> str:
    """The id of its job."""
    return (await site.create(wire.CreateRequest(pod))).job_id


async def terminated(site: InterlinkSite, pod: dict[str, Any]) -> wire.PodStatus:
    """The pod's status once all of its containers have ended."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        answer = await site.statuses([pod])
        for status in answer.statuses:
            if status.containers and all("terminated" in item["state"] for item in status.containers):
                return status
        time.sleep(0.1)
    raise AssertionError(f"not over within {LIMIT_S} s: {json.dumps([s.containers for s in answer.statuses])}")


def exit_code(status: wire.PodStatus) -> int:
    return int(status.containers[0]["state"]["terminated"]["exitCode"])
