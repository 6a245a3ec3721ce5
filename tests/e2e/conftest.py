"""The whole site, as `make site` leaves it; shared by all tests of this folder."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.lab import demo, running
from tests.lab.running import LIMIT_S


@pytest.fixture(scope="session")
def site() -> running.Site:
    return running.site()


@pytest.fixture
def apply(site: running.Site) -> Iterator[Callable[..., str]]:
    """Apply the example pod with another name and shell command, and more of its spec; it is gone after the test.

    `flags` are sbatch options; a pod of namespace physics is a job of account twin02.
    """
    made: list[tuple[str, str]] = []

    def make(name: str, command: str, *, flags: str = "", namespace: str = "default", **spec: Any) -> str:
        pod = yaml.safe_load(demo.EXAMPLE.read_text())
        pod["metadata"] = {"name": name, "namespace": namespace, "annotations": {"slurm-job.vk.io/flags": flags}}
        pod["spec"]["containers"][0]["args"] = [command]
        pod["spec"].update(spec)
        made.append((name, namespace))
        site.apply(pod)
        return name

    yield make
    for name, namespace in made:
        words = ("delete", "pod", name, f"--namespace={namespace}")
        site.kubectl.run(*words, "--ignore-not-found", "--grace-period=1", f"--timeout={LIMIT_S}s")


@pytest.fixture(scope="session")
def physics(site: running.Site) -> str:
    """The namespace whose pods run as twin02, with the service account that Kubernetes makes in it."""
    name = "physics"
    if not site.kubectl.run("get", "namespace", name, "--ignore-not-found"):
        site.kubectl.run("create", "namespace", name)
    words = ("wait", "--for=create", "serviceaccount/default", f"--namespace={name}", f"--timeout={LIMIT_S}s")
    site.kubectl.run(*words)
    return name
