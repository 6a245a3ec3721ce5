"""What a status round costs the controller."""

import re
import time

from tests.integration.interlink_slurm.sidecar import Sidecar, a_pod, a_sidecar
from tests.lab.fixtures import SlurmLab

PODS = 12
ROUNDS = 4
RPCS_PER_ROUND = 3
HEARD = 'dte_slurm_notices_total{found="event"}'
INTERVAL_S = 1
"""PollInterval of the sidecars here."""


def rpcs(slurm: SlurmLab) -> int:
    """Requests of twin01 that slurmctld served since it started."""
    match = re.search(r"^\s*twin01\s+\(.*?count:(\d+)", slurm.run("sdiag", user="root"), re.MULTILINE)
    return int(match[1]) if match else 0


def wait_for_polls(sidecar: Sidecar, count: float) -> None:
    deadline = time.monotonic() + 60
    while sidecar.metric("dte_slurm_polls_total") < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_round_costs_three_requests_however_many_pods_there_are(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm) as sidecar, sidecar.running():
        pods = [a_pod("true", annotations={"slurm-job.vk.io/flags": "--hold"}) for _ in range(PODS)]
        for pod in pods:
            sidecar.create(pod)
        wait_for_polls(sidecar, sidecar.metric("dte_slurm_polls_total") + 2)  # the looks after the submits are over
        polls, before = sidecar.metric("dte_slurm_polls_total"), rpcs(lab_slurm)

        wait_for_polls(sidecar, polls + ROUNDS)
        for _ in range(50):
            assert len(sidecar.call("GET", "/status", pods).json) == PODS
        after = rpcs(lab_slurm)
        rounds = sidecar.metric("dte_slurm_polls_total") - polls

        assert 0 < after - before <= RPCS_PER_ROUND * (rounds + 1)  # one may be under way


def test_without_unfinished_jobs_the_controller_is_left_alone(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm) as sidecar, sidecar.running():
        pod = a_pod("true")
        sidecar.create(pod)
        sidecar.exit_codes(pod)
        before = rpcs(lab_slurm)
        time.sleep(5 * INTERVAL_S)

        assert rpcs(lab_slurm) - before <= RPCS_PER_ROUND  # one look may be under way


def test_an_end_is_known_by_a_file_event_and_costs_no_look_at_the_queue(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm) as sidecar, sidecar.running(PollInterval=300, FileEvents="always"):
        pod = a_pod("sleep 3; exit 4")
        sidecar.create(pod)
        sidecar.wait_for(pod, "running")
        wait_for_polls(sidecar, 2)  # at the start, and after the submit
        polls, heard = sidecar.metric("dte_slurm_polls_total"), sidecar.metric(HEARD)

        assert sidecar.exit_codes(pod) == [4]
        assert sidecar.metric("dte_slurm_polls_total") == polls
        assert sidecar.metric(HEARD) > heard


def test_where_there_are_no_file_events_the_notices_are_listed(lab_slurm: SlurmLab) -> None:
    with a_sidecar(lab_slurm) as sidecar, sidecar.running(PollInterval=300, FileEvents="never"):
        pod = a_pod("exit 4")
        sidecar.create(pod)

        assert sidecar.exit_codes(pod) == [4]
        assert sidecar.metric('dte_slurm_notices_total{found="list"}') > 0
