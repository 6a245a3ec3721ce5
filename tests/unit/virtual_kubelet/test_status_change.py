"""Writes of a pod's status are few, and bound to the pod that was seen."""

from dte.interlink.virtual_kubelet import pod_status
from dte.interlink.virtual_kubelet.status_change import Change, change, status_patch, wording_due_at
from tests.unit.virtual_kubelet.builders import UID, moment, pod, report, running, waiting


def shown(the_pod, *containers):
    status = pod_status.submitted(the_pod, the_pod["status"], moment())
    return pod_status.reported(the_pod, status, report(*containers), moment())


def test_the_same_status_is_no_change_even_as_the_api_server_writes_it():
    status = shown(pod("a"), running("a"))
    as_served = {key: value for key, value in status.items() if value is not None}
    as_served["conditions"] = [{**item, "lastProbeTime": None} for item in status["conditions"]]
    as_served["qosClass"] = "BestEffort"
    assert change(as_served, status) is Change.NONE


def test_a_container_that_starts_is_a_change_of_state():
    assert change(shown(pod("a"), waiting("a")), shown(pod("a"), running("a"))) is Change.STATE


def test_a_new_reason_to_wait_is_a_change_of_wording():
    before, after = shown(pod("a"), waiting("a", "Priority")), shown(pod("a"), waiting("a", "Resources"))
    assert change(before, after) is Change.WORDING


def test_a_pod_that_never_had_a_status_of_ours_changes_state():
    assert change(pod("a")["status"], shown(pod("a"), waiting("a"))) is Change.STATE


def test_new_wordings_wait_longer_each_time():
    delays = [wording_due_at(1000.0, written) - 1000.0 for written in range(4)]
    assert delays == [10.0, 60.0, 360.0, 2160.0]


def test_a_patch_names_the_pod_and_carries_the_job():
    patch = status_patch(pod("a"), {"phase": "Running"}, "29")
    assert patch["metadata"] == {"uid": UID, "annotations": {"JobID": "29"}}
    assert "annotations" not in status_patch(pod("a"), {}, None)["metadata"]
