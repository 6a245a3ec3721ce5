from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.jobs.status import ContainerState, Ended, JobStatus, Kind, Phase
from dte.interlink.sidecars.slurm.evidence import Evidence, find
from dte.interlink.sidecars.slurm.life import State
from dte.interlink.sidecars.slurm.parse import Exit, QueueJob
from dte.interlink.sidecars.slurm.record import ContainerName
from dte.interlink.sidecars.slurm.states import PHASE_OF_STATE
from tests.unit.interlink_slurm.pods import RECORD

NO_ERROR = Exit(0, 0)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
RECORDED = replace(RECORD, job_id="29", containers=(ContainerName("a", "img"), ContainerName("b", "img")))


def queue(state, exit_=NO_ERROR):
    return QueueJob("29", state, exit_, "Priority", 1, 1767225600, 1767225660, "/d", "uid", "")


def files(*, over=False, **containers):
    return JobStatus("29", "n1", containers, MOMENT, MOMENT if over else None)


def running():
    return ContainerState(Kind.MAIN, Phase.RUNNING, started_at=MOMENT)


def ended(code, reason=""):
    return ContainerState(Kind.MAIN, Phase.TERMINATED, ended=Ended(code, reason, finished_at=MOMENT))


def evidence(*, files=None, queue=None, trusted=False, lost=False):
    return Evidence(files, queue, trusted, lost)


def states(findings):
    return [next(iter(c["state"])) for c in findings.containers]


def codes(findings):
    return [c["state"]["terminated"]["exitCode"] for c in findings.containers]


def test_before_anything_is_seen_all_containers_wait():
    findings = find(RECORDED, evidence())

    assert (states(findings), findings.is_over) == (["waiting", "waiting"], False)


def test_a_pending_job_waits_with_the_queues_reason():
    findings = find(RECORDED, evidence(queue=queue("PENDING")))

    assert findings.containers[0]["state"]["waiting"]["reason"] == "Priority"


def test_a_running_job_without_word_of_its_containers_is_being_created():
    findings = find(RECORDED, evidence(queue=queue("RUNNING")))

    assert findings.containers[0]["state"]["waiting"]["reason"] == "ContainerCreating"


def test_a_running_job_that_stays_silent_is_running():
    assert states(find(RECORDED, evidence(queue=queue("RUNNING"), trusted=True))) == ["running", "running"]


def test_a_silent_job_with_init_containers_runs_the_first_of_them():
    record = replace(RECORDED, init_containers=(ContainerName("i", "img"), ContainerName("j", "img")))

    findings = find(record, evidence(queue=queue("RUNNING"), trusted=True))

    assert states(findings) == ["waiting", "waiting"]
    assert [next(iter(c["state"])) for c in findings.init_containers] == ["running", "waiting"]


@pytest.mark.parametrize("state", ["SUSPENDED", "STOPPED", "COMPLETING", "PENDING", "NEW_IN_SLURM_30"])
def test_files_win_over_the_queue(state):
    findings = find(RECORDED, evidence(files=files(a=running(), b=ended(0)), queue=queue(state)))

    assert (states(findings), findings.is_over) == (["running", "terminated"], False)


def test_a_finished_file_ends_the_pod_whatever_the_queue_still_says():
    findings = find(RECORDED, evidence(files=files(over=True, a=ended(3), b=ended(0)), queue=queue("RUNNING")))

    assert (codes(findings), findings.is_over) == ([3, 0], True)


def test_a_container_that_never_started_in_a_finished_pod_is_no_success():
    findings = find(RECORDED, evidence(files=files(over=True, a=ended(3))))

    assert codes(findings) == [3, 1]
    assert findings.containers[1]["state"]["terminated"]["reason"] == "NeverStarted"


def test_an_ended_job_waits_for_its_file():
    findings = find(RECORDED, evidence(files=files(a=running(), b=running()), queue=queue("FAILED", Exit(3, 0))))

    assert (states(findings), findings.is_over) == (["running", "running"], False)


def test_after_the_grace_time_the_queues_verdict_stands_for_what_the_file_leaves_open():
    open_file = files(a=running(), b=ended(0))

    findings = find(RECORDED, evidence(files=open_file, queue=queue("TIMEOUT", Exit(0, 15)), trusted=True))

    assert (codes(findings), findings.is_over) == ([143, 0], True)
    terminated = findings.containers[0]["state"]["terminated"]
    assert terminated["reason"] == "SlurmJobTimeout"
    assert terminated["startedAt"] == "2026-01-01T00:00:00Z"
    assert terminated["finishedAt"] == "2026-01-01T00:01:00Z"


def test_a_lost_job_fails_with_reason_joblost():
    findings = find(RECORDED, evidence(lost=True))

    assert findings.is_over
    assert {c["state"]["terminated"]["reason"] for c in findings.containers} == {"JobLost"}
    assert 0 not in codes(findings)


def test_an_unknown_state_ends_nothing():
    findings = find(RECORDED, evidence(queue=queue("NEW_IN_SLURM_30"), trusted=True))

    assert (states(findings), findings.is_over) == (["waiting", "waiting"], False)


CONTAINERS = st.dictionaries(
    st.sampled_from(["a", "b", "other"]), st.sampled_from([running(), ended(0), ended(7)]), max_size=3
)


@given(
    st.none() | st.builds(lambda over, c: files(over=over, **c), st.booleans(), CONTAINERS),
    st.none() | st.builds(queue, st.sampled_from([*PHASE_OF_STATE, "NEW"]), st.none() | st.just(Exit(0, 0))),
    st.booleans(),
    st.booleans(),
)
def test_whatever_the_evidence_every_container_is_there_once_and_over_means_terminated(seen, job, trusted, lost):
    findings = find(RECORDED, evidence(files=seen, queue=job, trusted=trusted, lost=lost))

    assert [c["name"] for c in findings.containers] == ["a", "b"]
    assert all(len(c["state"]) == 1 for c in findings.containers)
    if findings.is_over:
        assert states(findings) == ["terminated", "terminated"]


def stopped(*, started_at=MOMENT):
    end = Ended(143, "Stopped", started_at=started_at, finished_at=MOMENT)
    return ContainerState(Kind.MAIN, Phase.TERMINATED, ended=end)


def fresh(**more):
    return replace(evidence(files=files(over=True, a=stopped(), b=ended(0))), may_be_explained=True, **more)


def test_a_job_that_somebody_stopped_is_shown_running_until_slurm_says_why():
    findings = find(RECORDED, fresh())

    assert (states(findings), findings.is_over) == (["running", "terminated"], False)


@pytest.mark.parametrize(("state", "reason"), [("TIMEOUT", "SlurmJobTimeout"), ("CANCELLED", "CANCELLED")])
def test_slurms_word_why_a_job_was_stopped_is_the_reason(state, reason):
    findings = find(RECORDED, fresh(queue=queue(state)))

    assert findings.is_over
    assert codes(findings) == [143, 0]
    assert findings.containers[0]["state"]["terminated"]["reason"] == reason
    assert findings.containers[1]["state"]["terminated"]["reason"] != reason


def test_a_stopped_job_of_which_slurm_says_nothing_more_ends_all_the_same():
    findings = find(RECORDED, replace(fresh(), may_be_explained=False))

    assert (findings.is_over, codes(findings)) == (True, [143, 0])


def test_a_deleted_pod_waits_for_no_explanation():
    deleted = replace(RECORDED, state=State.DELETING)

    assert find(deleted, fresh()).is_over
