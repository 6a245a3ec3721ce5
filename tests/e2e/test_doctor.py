"""`dte doctor` on the hosts that the roles set up: well as they are, and each of three faults told with what to do."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.lab import faults, pki
from tests.lab.names import this_lab
from tests.lab.running import ACCOUNT, LIMIT_S, Site

JOB_ROOT = f"/exa/{ACCOUNT}/interlink"
OWNER_FILE = f"{JOB_ROOT}/.owner.json"
UNITS = {
    "edge": ("interlink-slurm@twin01.service", "interlink-slurm@twin02.service", "interlink-api.service"),
    "federation": ("virtual-kubelet@lab-main.service", "virtual-kubelet@lab-short.service"),
}
FOREIGN = {"host": "edge2.example", "boot_id": "b", "pid": 7, "started": 1}


def doctor(site: Site, host: str, *arguments: str) -> tuple[int, Mapping[str, Any]]:
    """Exit status and JSON of the command as root finds it on PATH."""
    argv = ["docker", "exec", site.hosts[host]["container"], "dte", "doctor", "--json", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    return done.returncode, json.loads(done.stdout)


def complaints(said: Mapping[str, Any]) -> dict[str, str]:
    """What is not well: `INSTANCE CHECK` -> problem and advice."""
    return {
        f"{item['instance']} {item['check']}": f"{item['text']}: {item['advice']}"
        for item in said["results"]
        if item["level"] != "ok"
    }


def wait_for_complaints(site: Site, host: str, expected: set[str]) -> tuple[int, Mapping[str, Any]]:
    """The doctor's answer once it complains of these alone: other tests may have left daemons that just start."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        status, said = doctor(site, host)
        if set(complaints(said)) == expected:
            return status, said
        assert time.monotonic() < deadline, complaints(said)
        time.sleep(1)


@pytest.fixture
def restarted(site: Site) -> None:
    """By hand, which is no fault: a test that kills daemons makes the doctor wonder for an hour."""
    for host, units in UNITS.items():
        site.on(host, "systemctl", "restart", *units)


@pytest.mark.usefixtures("restarted")
def test_a_host_that_is_well_is_told_so_but_for_a_job_root_in_memory(site: Site) -> None:
    status, said = wait_for_complaints(site, "federation", set())
    assert status == 0
    assert {f"{item['instance']}.service" for item in said["results"]} == set(UNITS["federation"])

    status, said = wait_for_complaints(site, "edge", {"interlink-slurm@twin02 job root"})
    assert "is in memory (tmpfs)" in complaints(said)["interlink-slurm@twin02 job root"]
    assert status == 1
    assert {f"{item['instance']}.service" for item in said["results"]} == set(UNITS["edge"])


@contextlib.contextmanager
def munge_stopped(site: Site) -> Iterator[None]:
    site.on("edge", "systemctl", "stop", "munge.service")
    try:
        yield
    finally:
        site.on("edge", "systemctl", "start", "munge.service")


def test_munge_that_is_stopped_is_told(site: Site) -> None:
    with munge_stopped(site):
        status, said = doctor(site, "edge", "interlink-slurm")
    assert status == 2
    assert "systemctl start munge" in complaints(said)[f"interlink-slurm@{ACCOUNT} munge"]
    assert f"interlink-slurm@{ACCOUNT} controller" in complaints(said)


@contextlib.contextmanager
def owned_by_another(site: Site) -> Iterator[None]:
    """The running sidecar never looks at the file again; doctor does."""
    put = f'cp -p {OWNER_FILE} {OWNER_FILE}.kept && printf %s "$1" > {OWNER_FILE}'
    as_account = ("runuser", "-u", ACCOUNT, "--", "sh", "-c")
    site.on("edge", *as_account, put, "sh", json.dumps(FOREIGN))
    try:
        yield
    finally:
        site.on("edge", *as_account, f"mv {OWNER_FILE}.kept {OWNER_FILE}")


def test_a_job_root_that_a_sidecar_elsewhere_took_is_told(site: Site) -> None:
    with owned_by_another(site):
        status, said = doctor(site, "edge", "interlink-slurm")
    assert status == 2
    assert "host edge2.example (pid 7)" in complaints(said)[f"interlink-slurm@{ACCOUNT} owner file"]


@pytest.fixture
def expired(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A copy of /etc/dte whose API has a certificate that ended a day ago; the daemon's own files stay as they are."""
    monkeypatch.setattr(pki, "LIFE", -pki.LIFE / 30)
    monkeypatch.setattr(pki, "CLOCK_SLACK", pki.CLOCK_SLACK * 1000)
    authority = pki.site_authority(this_lab().directory)
    pair = authority.issue(pki.subject("edge"), usage=pki.SERVER, addresses=["edge"])
    site.on("edge", "sh", "-c", 'printf %s "$1" > /run/expired.pem', "sh", pair.certificate.decode())
    site.on("edge", "sh", "-c", 'umask 077; printf %s "$1" > /run/expired.key', "sh", pair.key.decode())
    replace = "s,/etc/pki/dte/host.,/run/expired.,"
    site.on("edge", "sh", "-c", f"cp -r /etc/dte /run/etc-dte && sed -i {replace} /run/etc-dte/interlink-api.yaml")
    yield "/run/etc-dte"
    site.on("edge", "rm", "-rf", "/run/etc-dte", "/run/expired.pem", "/run/expired.key")


def test_a_certificate_that_expired_is_told(site: Site, expired: str) -> None:
    status, said = doctor(site, "edge", "interlink-api", "--etc", expired)
    assert status == 2
    assert "/run/expired.pem expired 1 days ago: renew it" in complaints(said)["interlink-api certificate"]


def test_an_ordinary_user_is_told_what_needs_root(site: Site) -> None:
    done = subprocess.run(
        ["docker", "exec", "-u", "nobody", site.hosts["edge"]["container"], "dte", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 3, done.stdout
    assert f"interlink-slurm@{ACCOUNT} job root: unknown: cannot check" in done.stdout
    assert "run it as root" in done.stdout


@pytest.mark.slow
def test_a_job_root_that_hangs_is_told_and_holds_up_nothing_else(site: Site) -> None:
    with faults.over_sshfs(site.hosts["edge"]["container"], JOB_ROOT, ACCOUNT) as root, root.hanging():
        status, said = doctor(site, "edge")
    told = complaints(said)
    assert status == 2
    assert "does not answer" in told[f"interlink-slurm@{ACCOUNT} job root"]
    assert not any(where.startswith("interlink-api") for where in told)
