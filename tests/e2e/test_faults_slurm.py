"""What happens to Slurm, and what Slurm does to jobs, on the whole site: a pod has one job and its true state."""

import time

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


def waiting_words(site: Site, name: str) -> str:
    """What a pod that waits says of its container: reason and message."""
    statuses = site.pod(name)["status"].get("containerStatuses", [])
    state = statuses[0]["state"].get("waiting", {}) if statuses else {}
    return f"{state.get('reason', '')} {state.get('message', '')}"


def wait_for_words(site: Site, name: str, words: str) -> None:
    """Until the pod's container waits for this reason."""
    wait_for(f"{words} of {name}", lambda: None if words in (w := waiting_words(site, name)) else w, LIMIT_S)


def admin(site: Site, *argv: str) -> str:
    """A command of Slurm's administrator."""
    return site.on("slurm1", *argv)


# What the site does to a job.


def test_a_job_that_the_site_cancelled_is_failed_and_says_so(site: Site, apply: Apply) -> None:
    name = apply("cancelled", "exec sleep 1000")
    admin(site, "scancel", wait_until_running(site, name))
    ended = terminated(site.wait_for(name, "Failed"))
    assert (ended["reason"], ended["exitCode"]) == ("CANCELLED", 143)


def test_a_program_that_makes_an_end_of_a_cancelled_job_its_own_is_failed_too(site: Site, apply: Apply) -> None:
    name = apply("graceful", "trap 'exit 0' TERM; while :; do sleep 0.2; done")
    admin(site, "scancel", wait_until_running(site, name))
    ended = terminated(site.wait_for(name, "Failed"))
    assert ended["reason"] == "CANCELLED"
    assert ended["exitCode"] != 0


def test_a_preempted_job_is_failed_and_says_so(site: Site, apply: Apply) -> None:
    name = apply("preempted", "exec sleep 1000", nodeName="lab-short")
    wait_until_running(site, name)
    urgent = (
        "sbatch",
        "--parsable",
        "--qos=urgent",
        "--nodelist=n1",
        "--exclusive",
        "--output=/dev/null",
        "--wrap=true",
    )
    admin(site, "runuser", "--user", "twin01", "--", *urgent, "--chdir=/")
    ended = terminated(site.wait_for(name, "Failed"))
    assert (ended["reason"], ended["exitCode"]) == ("PREEMPTED", 143)


@pytest.mark.slow
def test_a_job_whose_node_is_lost_is_failed_and_says_so(site: Site, apply: Apply) -> None:
    name = apply("stranded", "exec sleep 1000", nodeName="lab-short")
    wait_until_running(site, name)
    with faults.node_lost(site.container("slurm1"), "n1"):
        ended = terminated(wait_long_for_end(site, name))
    assert (ended["reason"], ended["exitCode"]) == ("NODE_FAIL", 137)


def test_a_job_that_takes_too_much_memory_is_killed_and_says_so(site: Site, apply: Apply) -> None:
    if "proctrack/cgroup" not in admin(site, "scontrol", "show", "config"):
        pytest.skip("this machine has no cgroup v1: Slurm does not limit memory")
    name = apply("greedy", "exec python3 -c 'bytearray(400 << 20)'", flags="--mem=100M")
    ended = terminated(site.wait_for(name, "Failed"))
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


@pytest.mark.slow
def test_a_job_that_takes_too_long_is_failed_and_says_so(site: Site, apply: Apply) -> None:
    name = apply("lengthy", "exec sleep 1000", flags="--time=1")
    wait_until_running(site, name)
    ended = terminated(wait_long_for_end(site, name))
    assert ended["reason"] == "SlurmJobTimeout"
    assert ended["exitCode"] != 0


@pytest.mark.slow
def test_a_job_that_is_not_to_be_requeued_is_not(site: Site, apply: Apply) -> None:
    name = apply("once", "sleep 6; exit 5")
    job = wait_until_running(site, name)
    refused = site.on("slurm1", "sh", "-c", f"scontrol requeue {job} 2>&1 || true")
    assert "disabled" in refused
    require_end(site, name, 5)


@pytest.mark.slow
def test_a_job_that_the_site_requeues_by_force_runs_again_as_the_same_pods(site: Site, apply: Apply) -> None:
    marker = f"/exa/twin01/again-{time.time_ns()}"
    name = apply("again", f"[ -e {marker} ] && exit 6; touch {marker}; exec sleep 1000")
    job = wait_until_running(site, name)
    wait_for("the first run", lambda: None if "again" in admin(site, "ls", "/exa/twin01") else "not there", LIMIT_S)
    admin(site, "scontrol", "update", f"jobid={job}", "requeue=1")
    admin(site, "scontrol", "requeue", job)
    ended = wait_long_for_end(site, name)
    assert terminated(ended)["exitCode"] != 0
    assert site.jobs_of(ended) == [job]


@pytest.mark.slow
def test_a_suspended_job_is_a_running_pod(site: Site, apply: Apply) -> None:
    name = apply("suspended", "sleep 3; exit 4")
    job = wait_until_running(site, name)
    admin(site, "scontrol", "suspend", job)
    try:
        time.sleep(8)  # longer than the program and the sidecar's look at the queue
        assert phase(site, name) == "Running"
    finally:
        admin(site, "scontrol", "resume", job)
    require_end(site, name, 4)


# What happens to Slurm.


def outlast_the_controller(site: Site, apply: Apply, down_s: float) -> None:
    """Pods that run, end and are made while the controller is away."""
    running, ending = apply("stays", "exec sleep 1000"), apply("ends", f"sleep {down_s / 2}; exit 3")
    jobs = [wait_until_running(site, name) for name in (running, ending)]
    with faults.controller_down(site.container("slurm1")):
        until = time.monotonic() + down_s
        made = apply("made", "exit 5")
        while time.monotonic() < until:
            assert status_seconds(site) < 1
            assert phase(site, running) == "Running"
            assert phase(site, made) == "Pending"
            time.sleep(1)
    require_end(site, ending, 3)
    require_end(site, made, 5)
    assert [site.jobs_of(site.pod(name)) for name in (running, ending)] == [[job] for job in jobs]
    assert phase(site, running) == "Running"


def test_pods_outlast_a_restart_of_the_controller(site: Site, apply: Apply) -> None:
    outlast_the_controller(site, apply, 4)


@pytest.mark.slow
def test_pods_outlast_a_minute_without_the_controller(site: Site, apply: Apply) -> None:
    outlast_the_controller(site, apply, 60)


def test_pods_run_to_their_end_without_the_accounting_database(site: Site, apply: Apply) -> None:
    with faults.database_down(site.container("slurm1")):
        require_end(site, apply("unaccounted", "exit 3"), 3)


@pytest.mark.slow
def test_a_controller_that_rations_requests_makes_pods_slower_and_nothing_else(site: Site, apply: Apply) -> None:
    if "22.05" in admin(site, "sinfo", "--version"):
        pytest.skip("Slurm 22.05 has no rl_enable")
    with faults.rate_limited(site.container("slurm1"), bucket=2):
        names = [apply(f"rationed-{index}", f"exit {index}") for index in range(1, 5)]
        assert status_seconds(site) < 1
        for code, name in enumerate(names, start=1):
            require_end(site, name, code)


def test_no_pod_gets_the_state_of_another_ones_job_when_ids_begin_again(site: Site, apply: Apply) -> None:
    slurm1 = site.container("slurm1")
    faults.controller_state_lost(slurm1)
    first = apply("first", "exit 7")
    (job,) = site.jobs_of(site.wait_for(first, "Failed"))
    faults.controller_state_lost(slurm1)
    second, third = apply("second", "sleep 2; exit 9"), apply("third", "sleep 2; exit 8")
    ended = [require_end(site, second, 9), require_end(site, third, 8)]
    assert job in [site.jobs_of(pod)[0] for pod in ended], "the id was not used again"
    assert terminated(site.pod(first))["exitCode"] == 7


@pytest.mark.slow
def test_a_job_that_slurm_forgot_is_no_success(site: Site, apply: Apply) -> None:
    name = apply("forgotten", "exec sleep 1000")
    wait_until_running(site, name)
    faults.accounting_lost(site.container("slurm1"))
    assert terminated(wait_long_for_end(site, name))["exitCode"] != 0


@pytest.mark.slow
def test_pods_wait_with_the_reason_while_their_partition_is_down(site: Site, apply: Apply) -> None:
    running = apply("goes-on", "sleep 6; exit 2", nodeName="lab-short")
    wait_until_running(site, running)
    with faults.partition_state(site.container("slurm1"), "short", "DOWN"):
        name = apply("patient", "exit 3", nodeName="lab-short")
        wait_for_words(site, name, "PartitionDown")
        (job,) = site.jobs_of(site.pod(name))
        admin(site, "scontrol", "hold", job)
        wait_for_words(site, name, "JobHeldAdmin")
        require_end(site, running, 2)
    admin(site, "scontrol", "release", job)
    assert site.jobs_of(require_end(site, name, 3)) == [job]


def test_pods_for_an_inactive_partition_are_tried_again(site: Site, apply: Apply) -> None:
    with faults.partition_state(site.container("slurm1"), "short", "INACTIVE"):
        name = apply("persistent", "exit 3", nodeName="lab-short")
        wait_for_event(site, name, "inactive")
        assert phase(site, name) == "Pending"
    require_end(site, name, 3)


@pytest.mark.slow
def test_pods_wait_with_the_reason_during_maintenance(site: Site, apply: Apply) -> None:
    with faults.maintenance(site.container("slurm1")):
        name = apply("maintained", "exit 3")
        wait_for_words(site, name, "ReqNodeNotAvail")
    require_end(site, name, 3)


def test_a_reconfiguration_during_submits_costs_no_pod(site: Site, apply: Apply) -> None:
    names = []
    for index in range(1, 7):
        names.append(apply(f"reconfigured-{index}", f"exit {index}"))
        faults.reconfigure(site.container("slurm1"))
    for code, name in enumerate(names, start=1):
        require_end(site, name, code)


# What the site's own plugin does to jobs. It greets at every submit: all tests here see that.


def test_what_the_sites_plugin_refuses_is_told_with_its_reason(site: Site, apply: Apply) -> None:
    name = apply("refused-by-the-site", "true", flags="--cpus-per-task=9", nodeName="lab-short")
    pod = site.wait_for(name, "Failed")
    assert "at most 8 CPUs for a job, yours asks for 9. Use partition main." in pod["status"]["message"]


def test_a_job_that_the_sites_plugin_renamed_stays_the_pods(site: Site, apply: Apply) -> None:
    ended = require_end(site, apply("renamed", "exit 3", flags="--gres=gpu:1"), 3)
    (job,) = site.jobs_of(ended)
    named = admin(site, "squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%j").strip()
    assert named == f"gpu_{ended['metadata']['uid']}"


def test_two_accounts_are_two_accounts_of_slurm(site: Site, apply: Apply, physics: str) -> None:
    pods = [
        site.wait_for(apply("ours", "true"), "Succeeded"),
        site.wait_for(apply("theirs", "true", namespace=physics), "Succeeded", namespace=physics),
    ]
    jobs = [job for pod in pods for job in site.jobs_of(pod)]
    show = ("squeue", "--noheader", "--states=all", "--format=%u %a")
    assert [admin(site, *show, f"--jobs={job}").split() for job in jobs] == [
        ["twin01", "d2026-01"],
        ["twin02", "d2026-07"],
    ]
