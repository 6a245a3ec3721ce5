"""What is kept of a pod after its create serves everything that comes later."""

import json

from dte.interlink.virtual_kubelet import pod_status
from dte.interlink.virtual_kubelet.kept import kept
from dte.interlink.virtual_kubelet.record import PodRecord
from dte.interlink.virtual_kubelet.site import slim_pod
from tests.unit.virtual_kubelet.builders import ended, moment, pod, report, running


def a_full_pod(**more):
    containers = [
        {"name": name, "image": "img", "command": ["sh"], "env": [{"name": "A", "value": "x" * 1000}]} for name in "ab"
    ]
    init = [{"name": "i", "image": "img", "restartPolicy": "Always"}]
    gates = [{"conditionType": "example.org/gate"}]
    spec = {"containers": containers, "initContainers": init, "readinessGates": gates, "volumes": [{"name": "v"}]}
    annotations = {"JobID": "29", "kubectl.kubernetes.io/last-applied-configuration": "x" * 1000}
    return pod(spec=spec, metadata={"annotations": annotations, "labels": {"a": "b"}}, **more)


def test_status_and_requests_come_out_the_same():
    full, slim = a_full_pod(), kept(a_full_pod())
    for item in (report(running("a"), running("b")), report(ended("a"), ended("b", 3))):
        of_full = pod_status.reported(full, full["status"], item, moment())
        assert pod_status.reported(slim, full["status"], item, moment()) == of_full
    assert slim_pod(slim) == slim_pod(full)


def test_manifest_and_environment_are_gone():
    assert len(json.dumps(kept(a_full_pod()))) < 700


def test_a_record_slims_down_when_the_job_is_safe_and_not_before():
    fresh = PodRecord(pod(spec={"volumes": [{"name": "v"}]}), predates_us=False)
    assert "volumes" in fresh.pod["spec"]
    fresh.submitted("29", moment())
    assert "volumes" in fresh.pod["spec"]
    fresh.written(0.0, fresh.wanted)
    assert "volumes" not in fresh.pod["spec"]
    fresh.saw(a_full_pod())
    assert "volumes" not in fresh.pod["spec"]
