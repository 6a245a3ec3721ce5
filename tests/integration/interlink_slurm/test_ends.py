"""How Slurm ends, stops and puts back jobs: docs/wire/slurm.md, "States", with real jobs. Minutes in all."""

import time

import pytest

from tests.integration.interlink_slurm.sidecar import Sidecar, a_pod, a_sidecar, until
from tests.lab.faults.slurm import node_lost, rate_limited
from tests.lab.faults.storage import over_sshfs
from tests.lab.fixtures import SlurmLab

pytestmark = pytest.mark.slow
FLAGS = "slurm-job.vk.io/flags"
PATIENCE_S = 1.0
"""Within which a request that is answered from memory is answered."""


def on(flags: str, command: str = "sleep 300") -> dict[str, object]:
    return a_pod(command, annotations={FLAGS: flags})


def started(sidecar: Sidecar, pod: dict[str, object]) -> str:
    job_id = str(sidecar.create(pod).json["PodJID"])
    sidecar.wait_for(pod, "running")
    return job_id


def end_of(sidecar: Sidecar, pod: dict[str, object]) -> tuple[str, int]:
    (ended,) = sidecar.wait_for(pod, "terminated")
    return ended["reason"], ended["exitCode"]


def test_a_lost_node_is_a_failure(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm, StatusFileGrace=2) as sidecar, sidecar.running():
        pod = on("--nodelist=n4")
        started(sidecar, pod)
        with node_lost(lab_slurm.container, "n4"):
            reason, code = end_of(sidecar, pod)

    assert (reason, code) == ("NODE_FAIL", 137)


def test_a_preempted_job_is_a_failure(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm, StatusFileGrace=5) as sidecar, sidecar.running():
        old, urgent = on("--nodelist=n3 --exclusive"), on("--nodelist=n3 --exclusive --qos=urgent", "true")
        started(sidecar, old)
        sidecar.create(urgent)

        reason, code = end_of(sidecar, old)
        assert sidecar.exit_codes(urgent) == [0]

    assert (reason, code != 0) == ("PREEMPTED", True)


def test_a_suspended_job_still_runs(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm) as sidecar, sidecar.running():
        pod = a_pod("sleep 300")
        job_id = started(sidecar, pod)
        lab_slurm.run("scontrol", "suspend", job_id, user="root")
        polls = sidecar.metric("dte_slurm_polls_total")
        while sidecar.metric("dte_slurm_polls_total") < polls + 3:
            time.sleep(0.1)

        assert sidecar.jobs_of(pod) == ["SUSPENDED"]
        assert "running" in sidecar.status(pod)["containers"][0]["state"]


def test_a_job_that_is_put_back_after_its_node_was_lost_waits_and_runs_again(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm) as sidecar, sidecar.running():
        pod = on("--nodelist=n4", "if [ -e once ]; then exit 4; fi; touch once; sleep 300")
        job_id = started(sidecar, pod)
        lab_slurm.run("scontrol", "update", f"jobid={job_id}", "requeue=1", user="root")
        with node_lost(lab_slurm.container, "n4"):
            sidecar.wait_for(pod, "waiting")
        lab_slurm.run("scontrol", "update", f"jobid={job_id}", "starttime=now", user="root")

        assert sidecar.exit_codes(pod) == [4]
        assert sidecar.status(pod)["JID"] == job_id


def test_a_time_limit_is_a_failure(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm) as sidecar, sidecar.running():
        pod = on("--time=1")
        started(sidecar, pod)
        (ended,) = sidecar.wait_for(pod, "terminated", limit_s=240)

    assert (ended["reason"], ended["exitCode"]) == ("SlurmJobTimeout", 143)


def test_a_slow_controller_costs_no_request_its_patience(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm) as sidecar, sidecar.running():
        pod, late = a_pod("sleep 300"), a_pod("exit 5")
        started(sidecar, pod)
        with rate_limited(lab_slurm.container, bucket=2):
            waits = []
            for _ in range(20):
                before = time.monotonic()
                assert "running" in sidecar.status(pod)["containers"][0]["state"]
                waits.append(time.monotonic() - before)
                time.sleep(0.2)
            assert sidecar.create(late).status == 200
            assert sidecar.exit_codes(late) == [5]

        assert sorted(waits)[len(waits) // 2] < PATIENCE_S
        assert len(sidecar.jobs_of(late)) == 1


def test_a_job_root_that_hangs_stops_neither_answers_nor_the_daemon(lab_slurm: SlurmLab) -> None:
    with (
        over_sshfs(lab_slurm.container, "/exa/twin02", "twin02") as root,
        a_sidecar(lab_slurm, user="twin02", FileTimeout=1) as sidecar,
        sidecar.running() as daemon,
    ):
        pod = a_pod("sleep 300")
        started(sidecar, pod)
        assert sidecar.metric('dte_slurm_notices_total{found="list"}') > 0  # no file events here
        with root.hanging():
            assert sidecar.create(a_pod("true")).status == 503
            assert "running" in sidecar.status(pod)["containers"][0]["state"]
            daemon.signal("TERM")
            until(lambda: not answers(sidecar))
        # Not before: a process whose request the file system's own daemon has taken on cannot end (FUSE).
        assert daemon.wait() == 0


def answers(sidecar: Sidecar) -> bool:
    try:
        return sidecar.call("GET", "/healthz", socket_name="admin.sock").status == 200
    except OSError:
        return False
