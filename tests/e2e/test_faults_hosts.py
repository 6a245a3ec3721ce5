"""What happens to the hosts of a site and to their file systems: pods go on, and end as they truly did."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.outcomes import (
    Apply,
    phase,
    require_end,
    status_seconds,
    terminated,
    wait_for_event,
    wait_long_for_end,
    wait_until_running,
)
from tests.lab import faults
from tests.lab.progress import wait_for
from tests.lab.running import LIMIT_S, Site

SIDECAR = "interlink-slurm@twin01.service"
API = ("interlink-api.service", "interlink-api.socket")
KUBELET = "virtual-kubelet@lab-main.service"


@pytest.fixture
def edge(site: Site) -> str:
    return site.container("edge")


@pytest.fixture
def federation(site: Site) -> str:
    return site.container("federation")


def starts(site: Site, unit: str) -> int:
    """How often systemd started the unit again by itself."""
    return int(site.on("edge", "systemctl", "show", "--value", "--property=NRestarts", unit))


def wait_until_tried_again(site: Site, unit: str) -> None:
    before = starts(site, unit)
    wait_for(f"another start of {unit}", lambda: None if starts(site, unit) > before else f"{before}", LIMIT_S)


def test_all_three_daemons_killed_at_once_cost_no_pod(site: Site, apply: Apply, edge: str, federation: str) -> None:
    ending, running = apply("ends-unseen", "sleep 4; exit 3"), apply("goes-on", "sleep 12; exit 4")
    jobs = [wait_until_running(site, name) for name in (ending, running)]
    made = apply("made-in-between", "exit 5")
    faults.kill_unit(federation, KUBELET)
    faults.kill_unit(edge, SIDECAR, API[0])
    require_end(site, made, 5)
    assert site.jobs_of(require_end(site, ending, 3)) == [jobs[0]]
    assert site.jobs_of(require_end(site, running, 4)) == [jobs[1]]


def test_jobs_outlast_a_reboot_of_the_edge(site: Site, apply: Apply, edge: str) -> None:
    ending, running = apply("ends-unseen", "sleep 3; exit 3"), apply("goes-on", "sleep 18; exit 4")
    jobs = [wait_until_running(site, name) for name in (ending, running)]
    faults.reboot(edge)
    made = apply("made-at-boot", "exit 5")
    assert site.jobs_of(require_end(site, ending, 3)) == [jobs[0]]
    assert site.jobs_of(require_end(site, running, 4)) == [jobs[1]]
    require_end(site, made, 5)


def test_a_sidecar_that_starts_before_its_account_is_known_waits_for_it(site: Site, apply: Apply, edge: str) -> None:
    running = apply("anonymous", "sleep 15; exit 3")
    job = wait_until_running(site, running)
    with faults.accounts_away(edge):
        faults.kill_unit(edge, SIDECAR)
        wait_until_tried_again(site, SIDECAR)
        made = apply("patient", "exit 5")
        wait_until_tried_again(site, SIDECAR)
        assert (phase(site, running), phase(site, made)) == ("Running", "Pending")
    require_end(site, made, 5)
    assert site.jobs_of(require_end(site, running, 3)) == [job]


def test_a_job_root_that_is_not_mounted_is_waited_for(site: Site, apply: Apply, edge: str, physics: str) -> None:
    unit = "interlink-slurm@twin02.service"
    running = apply("rooted", "sleep 15; exit 3", namespace=physics)
    job = wait_until_running(site, running, namespace=physics)
    with faults.unmounted(edge, "/exa/twin02"):
        faults.kill_unit(edge, unit)
        made = apply("patient", "exit 5", namespace=physics)
        time.sleep(8)  # longer than it takes to start
        phases = [phase(site, name, namespace=physics) for name in (running, made)]
        assert phases == ["Running", "Pending"]
    require_end(site, made, 5, namespace=physics)
    assert site.jobs_of(require_end(site, running, 3, namespace=physics)) == [job]


def test_a_full_job_root_takes_no_pod_and_costs_none(site: Site, apply: Apply, edge: str, physics: str) -> None:
    running = apply("frugal", "sleep 12; exit 3", namespace=physics)
    job = wait_until_running(site, running, namespace=physics)
    with faults.full(edge, "/exa/twin02"):
        made = apply("patient", "exit 5", namespace=physics)
        wait_for_event(site, made, "No space left on device", namespace=physics)
        assert status_seconds(site, "twin02") < 1
        assert phase(site, running, namespace=physics) == "Running"
        assert site.jobs_of(site.pod(made, physics)) == []
    require_end(site, made, 5, namespace=physics)
    assert site.jobs_of(require_end(site, running, 3, namespace=physics)) == [job]


@pytest.fixture
def slow_root(edge: str) -> Iterator[faults.SlowRoot]:
    """The sidecar of twin01 has its job root behind sshfs."""
    with faults.over_sshfs(edge, "/exa/twin01/interlink", "twin01") as root:
        with faults.unit_stopped(edge, SIDECAR):
            pass
        yield root
    with faults.unit_stopped(edge, SIDECAR):
        pass


@pytest.mark.slow
def test_a_job_root_that_hangs_delays_and_loses_nothing(site: Site, apply: Apply, slow_root: faults.SlowRoot) -> None:
    require_end(site, apply("through-sshfs", "exit 2"), 2)
    running = apply("unmoved", "sleep 5; exit 3")
    job = wait_until_running(site, running)
    with slow_root.hanging():
        made = apply("patient", "exit 5")
        wait_for_event(site, made, "did not answer")
        for _ in range(5):
            assert status_seconds(site) < 1
            time.sleep(1)
        assert phase(site, running) == "Running"
    require_end(site, made, 5)
    assert site.jobs_of(require_end(site, running, 3)) == [job]


def test_a_new_disk_of_the_edge_knows_its_pods_from_their_directories(site: Site, apply: Apply, edge: str) -> None:
    ended, running = apply("before", "echo said; exit 2"), apply("goes-on", "echo heard; sleep 12; exit 3")
    require_end(site, ended, 2)
    job = wait_until_running(site, running)
    faults.state_lost(edge, *API)
    assert site.kubectl.run("logs", ended) == "said\n"
    assert site.kubectl.run("logs", running) == "heard\n"
    assert site.jobs_of(require_end(site, running, 3)) == [job]
    require_end(site, apply("after", "exit 4"), 4)


# The virtual kubelet's host: while its daemon is down, nobody tells the site what happens in the cluster.


@pytest.mark.slow
def test_pods_outlast_a_kubelet_that_is_down_longer_than_they_tolerate(
    site: Site, apply: Apply, federation: str
) -> None:
    bears = [
        {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20}
        for what in ("not-ready", "unreachable")
    ]
    everywhere = {"key": "virtual-node.interlink/no-schedule", "operator": "Exists"}
    name = apply("tolerant", "sleep 150; exit 3", tolerations=[everywhere, *bears])
    job = wait_until_running(site, name)
    with faults.unit_stopped(federation, KUBELET):
        wait_for("the cluster's word of the node", lambda: _is_ready(site, "lab-main"), 120)
        time.sleep(40)  # twice as long as the pod would bear it
    pod = site.pod(name)
    assert "deletionTimestamp" not in pod["metadata"]
    assert terminated(wait_long_for_end(site, name))["exitCode"] == 3
    assert site.jobs_of(pod) == [job]


def _is_ready(site: Site, node: str) -> str | None:
    query = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}"
    return "it is ready" if site.kubectl.run("get", "node", node, query) == "True" else None


@pytest.mark.slow
def test_jobs_whose_pods_went_while_the_kubelet_was_down_are_swept(site: Site, apply: Apply, federation: str) -> None:
    kept, forced = apply("kept", "exec sleep 1000"), apply("forced", "exec sleep 1000")
    jobs = [wait_until_running(site, name) for name in (kept, forced)]
    with faults.unit_stopped(federation, KUBELET):
        site.kubectl.run("delete", "pod", forced, "--force", "--grace-period=0")
    wait_for("the sweep", lambda: _is_active(site, jobs[1]), 300)
    assert _is_active(site, jobs[0])
    assert phase(site, kept) == "Running"


def _is_active(site: Site, job: str) -> str | None:
    """The state of a job that is not over."""
    state = site.on("slurm1", "squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").strip()
    return state if state in {"PENDING", "RUNNING", "COMPLETING"} else None
