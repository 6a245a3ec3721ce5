"""The whole site, upgraded from the release before this one, one daemon at a time under running jobs."""

import io
import re
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
import yaml

from tests.lab.running import LIMIT_S, Site
from tests.tools import previous

PLACE = "/opt/dte-previous"
DROP_IN = "previous.conf"
TEXT = f"[Service]\nEnvironment=PYTHONPATH={PLACE}\n"
UNKNOWN_KEY = re.compile(r": (\w+): unknown key")
LONG_S = 600


@dataclass(frozen=True, slots=True)
class DaemonKind:
    """A component of the site, and where its instances keep their configuration."""

    host: str
    component: str
    units: Sequence[str]
    configs: Sequence[str]

    @property
    def drop_in(self) -> str:
        template = self.units[0].partition("@")[0] + ("@" if "@" in self.units[0] else "")
        return f"/run/systemd/system/{template}.service.d"


SIDECARS = DaemonKind(
    "edge",
    "interlink-slurm",
    ("interlink-slurm@twin01", "interlink-slurm@twin02"),
    ("/etc/dte/interlink-slurm/twin01.yaml", "/etc/dte/interlink-slurm/twin02.yaml"),
)
API = DaemonKind("edge", "interlink-api", ("interlink-api",), ("/etc/dte/interlink-api.yaml",))
KUBELETS = DaemonKind(
    "federation",
    "virtual-kubelet",
    ("virtual-kubelet@lab-main", "virtual-kubelet@lab-short"),
    ("/etc/dte/virtual-kubelet/lab-main.yaml", "/etc/dte/virtual-kubelet/lab-short.yaml"),
)
ALL = (SIDECARS, API, KUBELETS)


def downgrade(site: Site, kind: DaemonKind) -> None:
    """Start the previous release with the configuration as it was: without the keys that it did not know."""
    for config in kind.configs:
        site.on(kind.host, "cp", "--preserve", config, f"{config}.now")
        known = yaml.safe_load(site.on(kind.host, "cat", config))
        for key in unknown_keys(site, kind, config):
            known.pop(key)
        site.on(kind.host, "sh", "-c", f'printf %s "$1" > {config}', "sh", yaml.safe_dump(known))
    site.on(kind.host, "mkdir", "--parents", kind.drop_in)
    site.on(kind.host, "sh", "-c", f'printf %s "$1" > {kind.drop_in}/{DROP_IN}', "sh", TEXT)
    restart(site, kind)


def unknown_keys(site: Site, kind: DaemonKind, config: str) -> set[str]:
    container = site.hosts[kind.host]["container"]
    dte = f"/opt/dte/{kind.component}/current/bin/dte"
    command = [
        "docker",
        "exec",
        "-e",
        f"PYTHONPATH={PLACE}",
        container,
        dte,
        kind.component,
        "check",
        "--config",
        config,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    return set(UNKNOWN_KEY.findall(done.stderr))


def upgrade(site: Site, kind: DaemonKind) -> None:
    """What the role does: new configuration, new release, restart. Nothing where it was done."""
    for config in kind.configs:
        site.on(kind.host, "sh", "-c", f"test ! -e {config}.now || mv {config}.now {config}")
    site.on(kind.host, "rm", "--recursive", "--force", kind.drop_in)
    restart(site, kind)


def restart(site: Site, kind: DaemonKind) -> None:
    site.on(kind.host, "systemctl", "daemon-reload")
    site.on(kind.host, "systemctl", "restart", *(f"{unit}.service" for unit in kind.units))


def runs_previous(site: Site, unit: str, host: str) -> bool:
    pid = site.on(host, "systemctl", "show", "--value", "--property=MainPID", unit).strip()
    return PLACE in site.on(host, "cat", f"/proc/{pid}/environ")


@pytest.fixture
def previous_site(site: Site) -> Iterator[Site]:
    """All daemons are of the previous release; those that the test does not upgrade are at its end."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(previous.package(), arcname="dte-previous")
    for host in ("edge", "federation"):
        command = ["docker", "exec", "-i", site.hosts[host]["container"], "tar", "-x", "-C", "/opt", "--no-same-owner"]
        subprocess.run(command, input=archive.getvalue(), check=True, timeout=LIMIT_S)
    try:
        for kind in ALL:
            downgrade(site, kind)
        yield site
    finally:
        for kind in ALL:
            upgrade(site, kind)
            site.on(kind.host, "rm", "--recursive", "--force", PLACE)


def wait_for_job(site: Site, name: str) -> str:
    deadline = time.monotonic() + LIMIT_S
    while not (job_id := site.pod(name)["metadata"].get("annotations", {}).get("JobID")):
        assert time.monotonic() < deadline, site.kubectl.run("describe", "pod", name)
        time.sleep(0.2)
    return str(job_id)


@pytest.mark.slow
def test_a_site_is_upgraded_one_daemon_at_a_time_under_running_jobs(
    previous_site: Site, apply: Callable[..., str]
) -> None:
    """At each step a job from before runs on as the same job, and a new pod runs to its end."""
    site = previous_site
    assert runs_previous(site, "interlink-api", "edge")
    flag = "/tmp/upgraded"
    old = apply("from-before", f"for i in $(seq {LONG_S}0); do [ -e {flag} ] && exit 7; sleep 0.1; done")
    site.wait_for(old, "Running")
    job_id = wait_for_job(site, old)
    for number, kind in enumerate((SIDECARS, API, KUBELETS)):
        upgrade(site, kind)
        pod = site.wait_for(apply(f"between-{number}", "exit 0"), "Succeeded")
        assert len(site.jobs_of(pod)) == 1
        running = site.pod(old)
        assert (running["status"]["phase"], wait_for_job(site, old)) == ("Running", job_id)
        assert site.jobs_of(running) == [job_id]
    assert not runs_previous(site, "virtual-kubelet@lab-main", "federation")
    site.on("slurm1", "touch", flag)
    try:
        ended = site.wait_for(old, "Failed")
    finally:
        site.on("slurm1", "rm", flag)
    assert ended["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 7
    assert site.jobs_of(ended) == [job_id]
