"""What a site's rules, its administrators and its disks do to pods: each says why, and nothing is lost."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.integration.interlink_slurm.sidecar import Sidecar, a_pod, a_sidecar, until
from tests.lab.faults.slurm import controller_state_lost, partition_state
from tests.lab.faults.storage import full, unmounted
from tests.lab.fixtures import SlurmLab

FLAGS = "slurm-job.vk.io/flags"


@pytest.fixture
def second_account(lab_slurm: SlurmLab) -> Iterator[Sidecar]:
    """On a small file system of its own."""
    with a_sidecar(lab_slurm, user="twin02") as sidecar:
        yield sidecar


def reason_of(sidecar: Sidecar, pod: dict[str, object]) -> str:
    state = sidecar.status(pod)["containers"][0]["state"]
    return str(state.get("waiting", {}).get("reason", ""))


def test_a_refusal_of_the_sites_plugin_is_final_with_its_reason_before_slurms_last_line(sidecar: Sidecar) -> None:
    answer = sidecar.create(a_pod("true", annotations={FLAGS: "--partition=short --cpus-per-task=9"}))

    assert answer.status == 422
    assert "at most 8 CPUs for a job, yours asks for 9. Use partition main." in answer.text
    assert "Batch job submission failed" in answer.text


def test_a_job_that_the_sites_plugin_renames_runs_to_its_pods_end(sidecar: Sidecar) -> None:
    pod = a_pod("exit 3", annotations={FLAGS: "--gres=gpu:h200:1"})
    job_id = sidecar.create(pod).json["PodJID"]

    assert sidecar.exit_codes(pod) == [3]
    shown = sidecar.slurm.run("squeue", "--noheader", "--states=all", f"--job={job_id}", "--format=%j")
    assert shown.strip() == f"gpu_{pod['metadata']['uid']}"


def test_an_account_that_the_user_has_not_is_final_and_a_full_qos_is_again(sidecar: Sidecar) -> None:
    stranger = sidecar.create(a_pod("true", annotations={FLAGS: "--account=d2026-07"}))
    first, second = (a_pod("sleep 300", annotations={FLAGS: "--qos=single"}) for _ in range(2))
    assert sidecar.create(first).status == 200

    full_up = sidecar.create(second)
    sidecar.delete(first)
    until(lambda: "terminated" in sidecar.status(first)["containers"][0]["state"])

    assert (stranger.status, "Invalid account" in stranger.text) == (422, True)
    assert (full_up.status, "QOSMax" in full_up.text) == (503, True)
    assert sidecar.create(second).status == 200
    sidecar.delete(second)


def test_a_partition_that_takes_nothing_is_again_and_one_that_starts_nothing_is_waited_for(sidecar: Sidecar) -> None:
    container, pod = sidecar.slurm.container, a_pod("exit 6", annotations={FLAGS: "--partition=short"})
    with partition_state(container, "short", "INACTIVE"):
        refused = sidecar.create(pod)
    with partition_state(container, "short", "DOWN"):
        assert sidecar.create(pod).status == 200
        until(lambda: "Partition" in reason_of(sidecar, pod))

    assert (refused.status, "not available" in refused.text) == (503, True)
    assert sidecar.exit_codes(pod) == [6]
    assert len(sidecar.jobs_of(pod)) == 1


def test_a_drained_site_takes_no_new_pod_and_ends_those_it_has(lab_slurm: SlurmLab) -> None:
    drain_file = f"{lab_slurm.run_directory}/drain.json"
    old, new = a_pod("sleep 2; exit 5"), a_pod("true")
    with a_sidecar(lab_slurm) as sidecar, sidecar.running(DrainFile=drain_file):
        sidecar.create(old)
        drains = {"drains": [{"reason": "new kernel", "account": "twin01"}]}
        lab_slurm.write(drain_file, json.dumps(drains).encode())
        try:
            refused = sidecar.create(new)
            taints = [taint["key"] for taint in sidecar.call("GET", "/status", []).json["taints"]]
            assert sidecar.exit_codes(old) == [5]
        finally:
            lab_slurm.run("rm", drain_file)

        assert (refused.status, "new kernel" in refused.text) == (503, True)
        assert taints == ["virtual-node.interlink/drained"]
        assert sidecar.create(new).status == 200


UPSTREAM_JOB = """#!/bin/sh
cd {directory}
echo hello > run-main.out
sleep 3
echo 4 > run-main.status
"""


def test_a_job_of_upstreams_plugin_runs_across_the_switch(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm) as sidecar:
        pod = a_pod("never run by us")
        uid, directory = pod["metadata"]["uid"], sidecar.directory(pod)
        lab_slurm.run("mkdir", "-p", directory)
        script = UPSTREAM_JOB.format(directory=directory)
        job_id = lab_slurm.run(
            "sbatch", "--parsable", f"--job-name={uid}", "--output=/dev/null", stdin=script.encode()
        ).split()[-1]
        files = {"JobID.jid": job_id, "PodUID.uid": uid, "PodNamespace.ns": "default", "job.sh": "runCtn main x\n"}
        for name, text in files.items():
            lab_slurm.write(f"{directory}/{name}", text.encode())

        with sidecar.running():
            assert sidecar.status(pod)["JID"] == job_id
            assert sidecar.exit_codes(pod) == [4]
            assert sidecar.log(pod) == "hello\n"


def test_two_accounts_side_by_side_see_only_their_own(lab_slurm: SlurmLab, second_account: Sidecar) -> None:
    with a_sidecar(lab_slurm) as one, one.running(), second_account.running():
        mine, others = a_pod("id -un; exit 1"), a_pod("id -un; exit 2")
        one.create(mine)
        second_account.create(others)

        assert (one.exit_codes(mine), second_account.exit_codes(others)) == ([1], [2])
        assert (one.log(mine), second_account.log(others)) == ("twin01\n", "twin02\n")
        assert (one.status(others), second_account.status(mine)) == (None, None)
        assert one.delete(others).status == 200
        assert second_account.status(others) is not None
        assert second_account.create(mine).json["PodJID"] != one.create(mine).json["PodJID"]


def test_a_full_job_root_is_again_with_the_reason_and_what_runs_goes_on(second_account: Sidecar) -> None:
    sidecar, old, new = second_account, a_pod("sleep 4; exit 7"), a_pod("exit 8")
    with sidecar.running():
        sidecar.create(old)
        sidecar.wait_for(old, "running")
        with full(sidecar.slurm.container, "/exa/twin02"):
            refused = sidecar.create(new)
            assert "running" in sidecar.status(old)["containers"][0]["state"]

        assert (refused.status, "No space left" in refused.text) == (503, True)
        assert sidecar.exit_codes(old) == [7]
        assert sidecar.create(new).status == 200
        assert sidecar.exit_codes(new) == [8]


def test_an_unmounted_job_root_is_waited_for_and_nothing_is_lost(second_account: Sidecar) -> None:
    sidecar, old, new = second_account, a_pod("sleep 300"), a_pod("exit 8")
    with sidecar.running(StatusFileGrace=1):
        sidecar.create(old)
        sidecar.wait_for(old, "running")
        with unmounted(sidecar.slurm.container, "/exa/twin02"):
            refused = sidecar.create(new)
            time.sleep(3)  # longer than StatusFileGrace
            assert "running" in sidecar.status(old)["containers"][0]["state"]

        assert refused.status == 503
        assert sidecar.create(new).status == 200
        assert sidecar.exit_codes(new) == [8]
        sidecar.delete(old)


@pytest.mark.slow
def test_a_job_that_left_the_queue_unseen_ends_as_accounting_says_and_ids_that_start_again_prove_nothing(
    lab_slurm: SlurmLab,
) -> None:
    with a_sidecar(lab_slurm, StatusFileGrace=2) as sidecar:
        pod = a_pod("exit 7")
        with sidecar.running() as daemon:
            job_id = sidecar.create(pod).json["PodJID"]
            daemon.signal("KILL")
            daemon.wait()
        ended = ("sacct", "-X", "-n", "-P", "-o", "State", "-j", job_id)
        until(lambda: "FAILED" in lab_slurm.run(*ended))
        lab_slurm.run("rm", "-f", f"{sidecar.directory(pod)}/status.json")
        controller_state_lost(lab_slurm.container)

        with sidecar.running():
            new = a_pod("exit 8")
            sidecar.create(new)

            assert sidecar.exit_codes(pod) == [7]
            assert sidecar.exit_codes(new) == [8]
