"""Pods and settings of the tests: as small as they can be, changed by each test."""

from pathlib import Path

from dte.interlink.sidecars.slurm.life import State
from dte.interlink.sidecars.slurm.record import ContainerName, Record
from dte.interlink.sidecars.slurm.settings import SlurmSettings
from dte.interlink.wire import ContainerVolumes, Creator, PluginCreate
from dte.runtime.settings import settings_from

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
OTHER_UID = "b5f6a9f2-7d0f-4c5c-9f0a-0d9f1f3b7a11"

RECORD = Record(
    namespace="default",
    pod_name="hello",
    pod_uid=UID,
    state=State.INTENT,
    node="vega-cpu",
    owner_id="1b4e28ba/vega-cpu",
    creator=Creator("CN=ca", "CN=vk"),
    comment="dte1:default/hello/default/",
    containers=(ContainerName("main", "img"),),
    init_containers=(),
    grace_period_s=30,
    created_at=1767225600.5,
)


def a_container(name="main", **resources):
    container = {"name": name, "image": "img", "command": ["/bin/sh", "-c", "true"]}
    return {**container, "resources": {"limits": resources}} if resources else container


def a_pod(*containers, uid=UID, name="hello", init=(), annotations=None, labels=None, **spec):
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": uid,
            "annotations": annotations or {},
            "labels": labels or {},
        },
        "spec": {
            "containers": list(containers) or [a_container()],
            "initContainers": list(init),
            "restartPolicy": "Never",
            **spec,
        },
    }


def a_create(pod=None):
    pod = pod or a_pod()
    names = [c["name"] for c in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])]
    return PluginCreate(pod, tuple(ContainerVolumes(name) for name in names))


def some_settings(root=Path("/exa/twin01/interlink"), **keys) -> SlurmSettings:
    raw = {"Socket": "unix:///run/s.sock", "DataRootFolder": str(root), **keys}
    return settings_from(SlurmSettings, raw, "test").settings
