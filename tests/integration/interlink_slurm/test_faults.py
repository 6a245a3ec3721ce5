"""What is killed, lost, repeated or down: one pod stays one job."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.interlink_slurm.sidecar import Sidecar, a_pod, a_sidecar
from tests.lab import faults
from tests.lab.fixtures import SlurmLab

KILLING_SBATCH = """#!/bin/sh
# Submits, and kills the sidecar before it can read the id.
sbatch "$@" > /dev/null
kill -9 "$PPID"
"""


@pytest.fixture
def stopped_sidecar(lab_slurm: SlurmLab) -> Iterator[Sidecar]:
    with a_sidecar(lab_slurm) as sidecar:
        yield sidecar


def test_a_sidecar_killed_between_sbatch_and_the_saved_id_makes_one_job(stopped_sidecar: Sidecar) -> None:
    sidecar = stopped_sidecar
    pod = a_pod("echo once; exit 4")
    program = f"{sidecar.slurm.run_directory}/{sidecar.name}-sbatch"
    sidecar.slurm.write(program, KILLING_SBATCH.encode(), mode="0755")
    with sidecar.running(SbatchPath=program) as daemon:
        with pytest.raises(ConnectionError):
            sidecar.create(pod)
        assert daemon.wait() == 137
    assert len(sidecar.jobs_of(pod)) == 1

    with sidecar.running():
        created = sidecar.create(pod)

        assert created.status == 200
        assert sidecar.exit_codes(pod) == [4]
        assert len(sidecar.jobs_of(pod)) == 1
        assert sidecar.log(pod) == "once\n"


def test_a_job_is_adopted_by_a_sidecar_that_was_killed_and_started_again(stopped_sidecar: Sidecar) -> None:
    sidecar = stopped_sidecar
    pod = a_pod("sleep 2; exit 4")
    with sidecar.running() as daemon:
        job_id = sidecar.create(pod).json["PodJID"]
        sidecar.wait_for(pod, "running")
        daemon.signal("KILL")
        daemon.wait()

    with sidecar.running():
        assert sidecar.create(pod).json["PodJID"] == job_id
        assert sidecar.exit_codes(pod) == [4]
        assert len(sidecar.jobs_of(pod)) == 1


def test_an_end_that_nobody_saw_is_known_after_the_start(stopped_sidecar: Sidecar) -> None:
    sidecar = stopped_sidecar
    pod = a_pod("exit 6")
    with sidecar.running() as daemon:
        sidecar.create(pod)
        daemon.signal("KILL")
        daemon.wait()
    directory = f"{sidecar.root}/default-{pod['metadata']['uid']}"
    until_over = f"until grep -q 'finished_at\": *\"' {directory}/status.json 2>/dev/null; do sleep 0.1; done"
    sidecar.slurm.run("timeout", "30", "sh", "-c", until_over)

    with sidecar.running():
        assert sidecar.exit_codes(pod) == [6]


def test_a_second_sidecar_on_one_job_root_is_refused_with_the_reason(stopped_sidecar: Sidecar) -> None:
    sidecar = stopped_sidecar
    with sidecar.running():
        command = ["dte", "interlink-slurm", "serve", "--config", sidecar.configure()]
        second = subprocess.run(
            ["docker", "exec", "-u", "twin01", sidecar.slurm.container, *command],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert second.returncode == 78
    assert "owned by pid" in second.stderr


def test_a_clean_stop_gives_the_job_root_back(stopped_sidecar: Sidecar) -> None:
    sidecar = stopped_sidecar
    with sidecar.running() as daemon:
        daemon.signal("TERM")

        assert daemon.wait() == 0

    assert ".owner.json" not in sidecar.slurm.run("ls", "-A", sidecar.root)


def test_a_controller_that_is_down_changes_no_pod_and_costs_no_second_job(stopped_sidecar: Sidecar) -> None:
    sidecar = stopped_sidecar
    running, new = a_pod("sleep 300"), a_pod("exit 5")
    with sidecar.running(SubmitTimeout=2, PollTimeout=2):
        sidecar.create(running)
        sidecar.wait_for(running, "running")
        with faults.controller_down(sidecar.slurm.container):
            answer = sidecar.create(new)
            assert answer.status == 503
            assert sidecar.call("GET", "/status", [running]).json[0]["containers"][0]["state"].keys() == {"running"}
            assert sidecar.status(new) is None

        assert sidecar.create(new).status == 200
        assert sidecar.exit_codes(new) == [5]
        assert len(sidecar.jobs_of(new)) == 1
        assert "running" in sidecar.status(running)["containers"][0]["state"]
