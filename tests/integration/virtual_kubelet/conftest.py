"""A virtual kubelet between the lab's real API server and a stand-in site."""

import asyncio
import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.integration.virtual_kubelet.cuttable import Cuttable
from tests.integration.virtual_kubelet.kubelet_process import KubeletProcess
from tests.integration.virtual_kubelet.standin_site import StandInSite, serving
from tests.lab.fixtures import KubeLab
from tests.lab.progress import wait_for

LIMIT_S = 30.0
"""Far beyond what any step takes: reached only when something is broken."""


@dataclass(frozen=True)
class World:
    """The parts, and what tests do with them."""

    kube: KubeLab
    site: StandInSite
    kubelet: KubeletProcess
    node: str
    namespace: str
    kubelet_port: int
    files: Path
    way: Cuttable
    """Between the virtual kubelet and the Kubernetes API."""
    settings: dict[str, Any]
    """Of the virtual kubelet."""

    def pod(self, name: str, *, command: list[str] | None = None, **spec: Any) -> dict[str, Any]:
        """A pod for our node; `spec` replaces or adds fields."""
        container = {"name": "c", "image": "img", "command": command or ["true"]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {**self.placement(), "containers": [container], **spec},
        }

    def placement(self) -> dict[str, Any]:
        toleration = {"key": "virtual-node.interlink/no-schedule", "operator": "Exists"}
        return {
            "nodeSelector": {"kubernetes.io/hostname": self.node},
            "tolerations": [toleration],
            "restartPolicy": "Never",
        }

    def submit(self, pod: dict[str, Any]) -> None:
        """Apply the pod and wait until the site has its job and the pod its JobID."""
        self.kube.apply(pod)
        name = pod["metadata"]["name"]
        self.until(f"job of {name}", lambda: "JobID" in self.show(name)["metadata"].get("annotations", {}))

    def show(self, name: str) -> dict[str, Any]:
        return self.kube.get("pod", name, "--namespace", self.namespace)

    def phase(self, name: str) -> str:
        return str(self.show(name)["status"]["phase"])

    def await_phase(self, name: str, phase: str) -> dict[str, Any]:
        self.until(f"{name} {phase}", lambda: self.phase(name) == phase)
        return self.show(name)

    def exists(self, name: str) -> bool:
        found = self.kubectl("get", "pod", name, "--ignore-not-found", "--output=name")
        return bool(found.strip())

    def events(self, name: str) -> dict[str, str]:
        """Messages by reason."""
        selector = f"--field-selector=involvedObject.name={name}"
        found = self.kube.get("events", "--namespace", self.namespace, selector)
        return {item["reason"]: item["message"] for item in found["items"]}

    def kubectl(self, *arguments: str) -> str:
        return self.kube.kubectl(*arguments, "--namespace", self.namespace)

    def until(self, what: str, holds: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        wait_for(what, lambda: None if holds() else f"see {self.kubelet.log}", limit_s)


@contextlib.contextmanager
def _in_thread(site: StandInSite, path: Path) -> Iterator[str]:
    """The stand-in on an event loop of its own, so that tests may block."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with serving(site, path):
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield f"unix://{path}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@contextlib.contextmanager
def _cuttable_way(kubeconfig: Path) -> Iterator[Cuttable]:
    """A way to the API server that can be cut; the file is changed to lead over it."""
    raw = yaml.safe_load(kubeconfig.read_text())
    cluster = raw["clusters"][0]["cluster"]
    target = urlsplit(cluster["server"])
    assert target.hostname is not None
    assert target.port is not None
    with Cuttable((target.hostname, target.port)).running() as way:
        cluster |= {"server": f"https://127.0.0.1:{way.port}", "tls-server-name": target.hostname}
        kubeconfig.write_text(yaml.safe_dump(raw))
        yield way


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def world(lab_kube: KubeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    files = tmp_path_factory.mktemp("vk")
    mark = secrets.token_hex(3)
    node, namespace = f"vk-{mark}", f"test-{mark}"
    address = lab_kube.host_address
    port = free_port(address)
    certificate, key, client_ca = lab_kube.kubelet_files(files, node)
    site = StandInSite()
    lab_kube.kubectl("create", "namespace", namespace)
    kubeconfig = lab_kube.virtual_kubelet_kubeconfig(files)
    with _in_thread(site, files / "site.sock") as url, _cuttable_way(kubeconfig) as way:
        settings = {
            "NodeName": node,
            "KubeconfigFile": str(kubeconfig),
            "NodeIP": address,
            "KubeletListen": f"{address}:{port}",
            "KubeletCertFile": str(certificate),
            "KubeletKeyFile": str(key),
            "KubeletClientCAFile": str(client_ca),
            "InterlinkURL": url,
            "StatusInterval": 1,
            "PingInterval": 1,
            "KubernetesApiAddr": "192.0.2.1",
            "KubernetesApiPort": 6443,
        }
        kubelet = KubeletProcess(files, settings, f"127.0.0.1:{free_port('127.0.0.1')}")
        kubelet.start()
        world = World(lab_kube, site, kubelet, node, namespace, port, files, way, settings)
        world.until("service account", lambda: bool(world.kubectl("get", "sa", "default", "--ignore-not-found")))
        yield world
        lab_kube.kubectl("delete", "namespace", namespace, "--wait=false")
        world.until("an empty namespace", lambda: not world.kubectl("get", "pods", "--output=name").strip())
        kubelet.stop()
        lab_kube.kubectl("delete", "node", node)


@pytest.fixture(autouse=True)
def _healthy_site(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test finds the site up and leaves it so."""
    yield
    if "world" in request.fixturenames:
        site: StandInSite = request.getfixturevalue("world").site
        site.is_down = False
        site.next_answers.clear()
        site.warnings = []
        site.ends_on_delete = True
        site.is_hung = False
