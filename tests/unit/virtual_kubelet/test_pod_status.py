"""What a site says of a pod becomes the pod's status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.virtual_kubelet import pod_status
from dte.interlink.virtual_kubelet.conditions import find_condition
from tests.unit.virtual_kubelet.builders import T0, T1, ended, moment, pod, report, running, waiting


def after(the_pod, *reports, now=T0):
    """The status after the reports, one by one."""
    status = pod_status.submitted(the_pod, the_pod["status"], moment())
    for item in reports:
        status = pod_status.reported(the_pod, status, item, moment(now))
    return status


def condition(status, kind):
    return find_condition(status["conditions"], kind)["status"]


@pytest.mark.parametrize(
    ("containers", "phase", "reason"),
    [
        pytest.param([waiting("a"), waiting("b")], "Pending", None, id="all wait"),
        pytest.param([running("a"), waiting("b")], "Running", None, id="one runs, one waits"),
        pytest.param([running("a"), ended("b", 3)], "Running", None, id="one runs, one failed"),
        pytest.param([ended("a"), ended("b")], "Succeeded", "Completed", id="all ended well"),
        pytest.param([ended("a"), ended("b", 3)], "Failed", "Error: 3", id="one of two failed"),
        pytest.param([ended("a", 137, "OOMKilled"), ended("b")], "Failed", "Error: 137", id="out of memory"),
    ],
)
def test_the_phase_follows_the_containers(containers, phase, reason):
    status = after(pod("a", "b"), report(*containers))
    assert (status["phase"], status["reason"]) == (phase, reason)


def test_a_list_without_containers_says_nothing():
    the_pod = pod("a")
    assert after(the_pod, report(running("a")), report()) == after(the_pod, report(running("a")))


def test_a_container_that_the_site_leaves_out_keeps_its_state_and_the_pod_does_not_end():
    status = after(pod("a", "b"), report(running("a"), running("b")), report(ended("a")))
    assert status["phase"] == "Running"
    assert [item["name"] for item in status["containerStatuses"]] == ["a", "b"]


def test_an_end_is_final():
    the_pod = pod("a")
    status = after(the_pod, report(ended("a", 3)))
    assert pod_status.reported(the_pod, status, report(running("a")), moment(T1)) is status


def test_a_container_that_ended_does_not_run_again_unless_it_was_restarted():
    the_pod = pod("a", "b")
    once = after(the_pod, report(ended("a", 1), running("b")), report(running("a"), running("b")))
    assert "terminated" in once["containerStatuses"][0]["state"]
    restarted = {**running("a"), "restartCount": 1}
    twice = after(the_pod, report(ended("a", 1), running("b")), report(restarted, running("b")))
    assert "running" in twice["containerStatuses"][0]["state"]


def test_an_end_without_an_exit_code_is_no_success():
    status = after(pod("a"), report(ended("a", None)))
    assert (status["phase"], status["reason"]) == ("Failed", "Error: 255")
    assert status["containerStatuses"][0]["state"]["terminated"]["reason"] == "ExitCodeUnknown"


def test_the_sites_reason_is_kept_and_only_failed_containers_bear_the_failure():
    status = after(pod("a", "b"), report(ended("a", 137, "OOMKilled"), ended("b")))
    reasons = [item["state"]["terminated"]["reason"] for item in status["containerStatuses"]]
    assert reasons == ["OOMKilled", "Completed"]
    assert status["message"] == "container a: OOMKilled"


def test_the_sites_readiness_is_honoured():
    status = after(pod("a"), report(running("a", ready=False)))
    assert (status["phase"], condition(status, "Ready"), condition(status, "ContainersReady")) == (
        "Running",
        "False",
        "False",
    )


def test_a_running_pod_has_all_four_conditions_addresses_and_start():
    status = after(pod("a"), report(running("a")))
    kinds = {item["type"]: item["status"] for item in status["conditions"]}
    assert kinds == dict.fromkeys(("Initialized", "Ready", "ContainersReady", "PodScheduled"), "True")
    assert (status["podIP"], status["hostIP"], status["startTime"]) == ("127.0.0.1", "192.0.2.10", T0)


def test_a_condition_keeps_its_time_while_it_stays_and_takes_a_new_one_when_it_turns():
    status = after(pod("a"), report(running("a")), now=T1)
    times = {item["type"]: item["lastTransitionTime"] for item in status["conditions"]}
    assert times == {"Initialized": T0, "PodScheduled": T0, "Ready": T1, "ContainersReady": T1}


def test_a_closed_readiness_gate_keeps_the_pod_from_ready():
    the_pod = pod("a", spec={"readinessGates": [{"conditionType": "example.org/gate"}]})
    status = after(the_pod, report(running("a")))
    assert (condition(status, "Ready"), condition(status, "ContainersReady")) == ("False", "True")


def test_while_init_containers_run_the_others_wait_for_them():
    status = after(pod("a", init=("i", "j")), report(waiting("a"), init=(ended("i"), running("j"))))
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert condition(status, "Initialized") == "False"
    assert [item["name"] for item in status["initContainerStatuses"]] == ["i", "j"]


def test_a_failed_init_container_fails_the_pod():
    status = after(pod("a", init=("i",)), report(waiting("a"), init=(ended("i", 5),)))
    assert (status["phase"], status["reason"]) == ("Failed", "Error: 5")
    assert status["message"].startswith("init container i")


def test_a_site_that_does_not_report_init_containers_is_handled():
    status = after(pod("a", init=("i",)), report(running("a")))
    assert (status["phase"], condition(status, "Initialized")) == ("Running", "True")


def test_an_init_container_that_restarts_always_only_has_to_run():
    sidecar = {"name": "i", "image": "img", "restartPolicy": "Always"}
    the_pod = pod("a", spec={"initContainers": [sidecar]})
    status = after(the_pod, report(running("a"), init=(running("i"),)))
    assert condition(status, "Initialized") == "True"


SIDECAR = {"name": "i", "image": "img", "restartPolicy": "Always"}


def test_how_a_sidecar_ends_says_nothing_of_the_pod():
    status = after(pod("a", spec={"initContainers": [SIDECAR]}), report(ended("a"), init=(ended("i", 137),)))
    assert status["phase"] == "Succeeded"


def test_a_pod_is_ready_when_its_sidecars_are_too():
    the_pod = pod("a", spec={"initContainers": [SIDECAR]})
    status = after(the_pod, report(running("a"), init=(running("i", ready=False),)))
    assert condition(status, "ContainersReady") == "False"


def test_a_pod_runs_while_its_container_waits_for_a_restart():
    restarting = {**waiting("a", "CrashLoopBackOff"), "restartCount": 1, "lastState": ended("a", 3)["state"]}
    assert after(pod("a"), report(restarting))["phase"] == "Running"


def test_a_pod_over_its_deadline_fails_with_that_reason():
    status = after(pod("a"), report(ended("a", 143, "DeadlineExceeded")))
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


def test_times_that_are_no_times_are_dropped_not_sent():
    bad = {
        "name": "a",
        "state": {"terminated": {"exitCode": 0, "startedAt": "0001-01-01T00:00:00Z", "finishedAt": "x"}},
    }
    state = after(pod("a"), report(bad))["containerStatuses"][0]["state"]["terminated"]
    assert (state["startedAt"], state["finishedAt"]) == (None, None)


def test_numbers_and_states_that_the_api_server_would_refuse_do_not_reach_it():
    odd = {**ended("a", 2**40), "restartCount": 2**40, "lastState": {"terminated": {"exitCode": "x"}, "bogus": 1}}
    status = after(pod("a"), report(odd))["containerStatuses"][0]
    assert status["state"]["terminated"]["exitCode"] == 255
    assert status["restartCount"] == 2**31 - 1
    assert status["lastState"].keys() == {"terminated"}
    assert status["lastState"]["terminated"]["exitCode"] == 255
    assert after(pod("a"), report({**running("a"), "lastState": "x"}))["containerStatuses"][0]["lastState"] == {}


def test_a_refused_pod_fails_with_the_sites_words():
    the_pod = pod("a")
    status = pod_status.refused(the_pod, the_pod["status"], "Invalid account", moment())
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", "ProviderFailed", "Invalid account")
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 1


def test_a_stopped_pod_whose_end_nobody_saw_is_failed_not_succeeded():
    the_pod = pod("a", "b")
    status = pod_status.stopped(the_pod, after(the_pod, report(ended("a"), running("b"))), moment(T1))
    codes = [item["state"]["terminated"]["exitCode"] for item in status["containerStatuses"]]
    assert (status["phase"], codes) == ("Failed", [0, 137])


states = st.sampled_from(["waiting", "running", "zero", "one", "none"])


def container_of(name, state):
    made = {"waiting": waiting, "running": running}
    if state in made:
        return made[state](name)
    return ended(name, {"zero": 0, "one": 1, "none": None}[state])


reports = st.dictionaries(st.sampled_from(["a", "b", "stranger"]), states, max_size=3)


@given(st.lists(reports, max_size=6))
def test_whatever_comes_in_whatever_order_success_needs_every_container_at_zero(history):
    the_pod = pod("a", "b")
    status = pod_status.submitted(the_pod, the_pod["status"], moment())
    seen_zero: set[str] = set()
    for states_by_name in history:
        was_terminal = status
        status = pod_status.reported(
            the_pod, status, report(*(container_of(name, state) for name, state in states_by_name.items())), moment()
        )
        seen_zero |= {name for name, state in states_by_name.items() if state == "zero"}
        if pod_status.is_terminal(was_terminal):
            assert status is was_terminal
    assert [item["name"] for item in status["containerStatuses"]] == ["a", "b"]
    assert len(status["conditions"]) == 4
    if status["phase"] == "Succeeded":
        assert {"a", "b"} <= seen_zero
