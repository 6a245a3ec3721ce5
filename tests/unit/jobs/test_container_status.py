from datetime import UTC, datetime

from dte.interlink.jobs.container_status import container_status
from dte.interlink.jobs.status import ContainerState, Ended, Kind, Phase

NOON = datetime(2026, 1, 1, 12, 0, 0, 999999, tzinfo=UTC)
CONTAINER = {"name": "c", "image": "busybox"}


def test_a_running_container_is_ready_and_has_its_start_in_whole_seconds() -> None:
    status = container_status(CONTAINER, ContainerState(Kind.MAIN, Phase.RUNNING, started_at=NOON))
    assert status["state"] == {"running": {"startedAt": "2026-01-01T12:00:00Z"}}
    assert (status["ready"], status["started"], status["image"]) == (True, True, "busybox")


def test_a_waiting_container_says_why_and_how_it_ended_before() -> None:
    last = Ended(1, reason="Error", message="m", started_at=NOON, finished_at=NOON)
    state = ContainerState(Kind.MAIN, Phase.WAITING, "CrashLoopBackOff", "back-off", restart_count=1, last=last)
    status = container_status(CONTAINER, state)
    assert status["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert (status["ready"], status["restartCount"]) == (False, 1)


def test_a_terminated_container_leaves_out_what_is_not_known() -> None:
    state = ContainerState(Kind.INIT, Phase.TERMINATED, ended=Ended(137, signal=9))
    assert container_status(CONTAINER, state)["state"] == {
        "terminated": {"exitCode": 137, "signal": 9, "reason": "Error"}
    }


def test_an_end_without_reason_is_completed_when_the_exit_code_is_zero() -> None:
    state = ContainerState(Kind.MAIN, Phase.TERMINATED, ended=Ended(0))
    assert container_status(CONTAINER, state)["state"]["terminated"]["reason"] == "Completed"
