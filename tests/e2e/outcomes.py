"""How pods end, as the fault tests ask for it."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.lab.progress import wait_for
from tests.lab.running import LIMIT_S, Site

Apply = Callable[..., str]
"""The fixture `apply`."""


def terminated(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the only container of the pod ended."""
    (status,) = pod["status"]["containerStatuses"]
    ended: Mapping[str, Any] = status["state"]["terminated"]
    return ended


def require_end(site: Site, name: str, exit_code: int, *, namespace: str = "default") -> Mapping[str, Any]:
    """The pod, which ends with this code, not 0, after one job."""
    pod = site.wait_for(name, "Failed", namespace=namespace)
    assert terminated(pod)["exitCode"] == exit_code
    assert len(site.jobs_of(pod)) == 1
    return pod


def wait_long_for_end(site: Site, name: str) -> Mapping[str, Any]:
    """The pod once it has failed, for ends that Slurm or the sidecar takes its time to tell."""
    wait_for(f"the end of {name}", lambda: None if phase(site, name) == "Failed" else phase(site, name), 3 * LIMIT_S)
    return site.pod(name)


def wait_until_running(site: Site, name: str, *, namespace: str = "default") -> str:
    """The one job of a pod, which runs by Slurm's word and Kubernetes'."""
    (job,) = site.jobs_of(site.wait_for(name, "Running", namespace=namespace))
    return job


def phase(site: Site, name: str, *, namespace: str = "default") -> str:
    return str(site.pod(name, namespace)["status"]["phase"])


def wait_for_event(site: Site, name: str, words: str, *, namespace: str = "default") -> None:
    """Until one of the pod's events says so."""

    def said() -> str | None:
        events = site.events_of(name, namespace)
        return None if words in events else events or "none"

    wait_for(f"an event of {name}: {words}", said, LIMIT_S)


def status_seconds(site: Site, account: str = "twin01") -> float:
    """How long the account's sidecar takes to answer a status request."""
    words = ("--silent", "--fail", "--output", "/dev/null", "--write-out", "%{time_total}")
    socket = ("--unix-socket", f"/run/dte/interlink-slurm/{account}.sock")
    request = ("--request", "GET", "--data", "[]", "http://localhost/status")
    return float(site.on("edge", "curl", *words, *socket, *request))
