import pytest

from dte.interlink.sidecars.slurm.parse import Exit
from dte.interlink.sidecars.slurm.states import PHASE_OF_STATE, Phase, is_final, phase_of, verdict_of

FAILED_STATES = [state for state, phase in PHASE_OF_STATE.items() if phase is Phase.FAILED]
ZERO = [Exit(0, 0), None]


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("PENDING", Phase.WAITING),
        ("REQUEUE_HOLD", Phase.WAITING),
        ("CONFIGURING", Phase.WAITING),
        ("RUNNING", Phase.RUNNING),
        ("COMPLETING", Phase.RUNNING),
        ("SUSPENDED", Phase.RUNNING),
        ("STOPPED", Phase.RUNNING),
        ("COMPLETED", Phase.COMPLETED),
        ("NODE_FAIL", Phase.FAILED),
        ("SOMETHING_OF_SLURM_30", Phase.UNKNOWN),
    ],
)
def test_a_state_has_the_phase_of_the_contract(state, phase):
    assert phase_of(state) is phase


def test_an_unknown_state_ends_nothing():
    assert not is_final("SOMETHING_OF_SLURM_30")


@pytest.mark.parametrize("state", FAILED_STATES)
@pytest.mark.parametrize("exit_", ZERO, ids=["0:0", "unreadable"])
def test_a_job_that_did_not_complete_never_has_exit_code_0(state, exit_):
    assert verdict_of(state, exit_).exit_code != 0


@pytest.mark.parametrize(
    ("state", "exit_", "code", "reason"),
    [
        pytest.param("COMPLETED", Exit(0, 0), 0, "Completed", id="completed"),
        pytest.param("FAILED", Exit(3, 0), 3, "FAILED", id="exit 3"),
        pytest.param("FAILED", Exit(0, 9), 137, "FAILED", id="signal 9"),
        pytest.param("OUT_OF_MEMORY", Exit(0, 125), 137, "OOMKilled", id="out of memory"),
        pytest.param("TIMEOUT", Exit(0, 15), 143, "SlurmJobTimeout", id="timeout"),
        pytest.param("DEADLINE", Exit(0, 0), 143, "SlurmJobTimeout", id="deadline"),
        pytest.param("CANCELLED", Exit(0, 0), 143, "CANCELLED", id="cancelled while pending"),
        pytest.param("NODE_FAIL", Exit(0, 1), 137, "NODE_FAIL", id="node lost"),
    ],
)
def test_a_verdict_has_the_code_and_reason_that_kubernetes_users_look_for(state, exit_, code, reason):
    verdict = verdict_of(state, exit_)

    assert (verdict.exit_code, verdict.reason) == (code, reason)


def test_a_verdict_names_the_queues_reason():
    assert "JobHeldUser" in verdict_of("CANCELLED", None, "JobHeldUser").message


def test_a_completed_job_of_unreadable_exit_code_is_no_success():
    assert verdict_of("COMPLETED", None).exit_code == 1
