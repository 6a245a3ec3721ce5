import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.spec import JobPlan, PlainRuntime, plan_job
from dte.interlink.wire import PluginCreate
from dte.runtime.errors import Malformed, Refused

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
DIRECTORY = JobDirectory(Path("/exa/it's $(here)"), "default", UID)
PLAIN = PlainRuntime()
CONTAINER = {"name": "c", "image": "busybox", "command": ["/bin/true"]}


def pod(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "default", "uid": UID, "annotations": annotations}
    return {"metadata": metadata, "spec": {"restartPolicy": "Never", "containers": [CONTAINER], **spec}}


def plan(the_pod: dict[str, Any], runtime: PlainRuntime = PLAIN, **request: Any) -> JobPlan:
    return plan_job(PluginCreate(the_pod, **request), DIRECTORY, runtime)


def warnings_of(the_pod: dict[str, Any]) -> list[str]:
    """Without the one about images."""
    return [line for line in plan(the_pod).warnings if not line.startswith("images")]


def test_init_containers_come_first() -> None:
    spec = plan(pod(initContainers=[{**CONTAINER, "name": "i"}])).spec
    assert [(item["name"], item["kind"]) for item in spec["containers"]] == [("i", "init"), ("c", "main")]


def test_grace_period_and_restart_policy_are_the_pods() -> None:
    spec = plan(pod(terminationGracePeriodSeconds=0, restartPolicy="OnFailure", activeDeadlineSeconds=90)).spec
    assert (spec["grace_s"], spec["deadline_s"], spec["containers"][0]["restart"]) == (0, 90, "OnFailure")


def test_defaults_are_those_of_kubernetes() -> None:
    spec = plan(pod(restartPolicy=None)).spec
    assert (spec["grace_s"], spec["deadline_s"], spec["containers"][0]["restart"]) == (30, None, "Always")
    assert spec["backoff"] == {"first_s": 10, "limit_s": 300, "reset_s": 600}


def test_one_warning_names_all_images() -> None:
    lines = plan(pod(initContainers=[{**CONTAINER, "name": "i", "image": "alpine"}])).warnings
    assert [line.rpartition(": ")[2] for line in lines] == ["alpine, busybox"]


def test_a_pod_that_asks_for_nothing_special_gets_no_other_warning() -> None:
    container = {**CONTAINER, "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}, "securityContext": {}}
    container["terminationMessagePath"] = "/dev/termination-log"
    assert warnings_of(pod(containers=[container], securityContext={}, dnsPolicy="ClusterFirst")) == []


@pytest.mark.parametrize(
    "field",
    [
        {"securityContext": {"runAsUser": 0}},
        {"tty": True},
        {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
    ],
    ids=lambda field: next(iter(field)),
)
def test_a_container_field_that_is_not_honoured_is_warned_about(field: dict[str, Any]) -> None:
    (line,) = warnings_of(pod(containers=[{**CONTAINER, **field}]))
    assert line.startswith("container c: ")


def test_a_pod_field_that_is_not_honoured_is_warned_about() -> None:
    assert warnings_of(pod(hostAliases=[{}])) == ["pod: hostAliases is not honoured"]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"containers": [{"name": "c"}]}, "no command"),
        ({"containers": [{**CONTAINER, "name": "../c"}]}, "container name"),
        ({"containers": [{**CONTAINER, "workingDir": "x"}]}, "workingDir"),
        ({"containers": [{**CONTAINER, "volumeDevices": [{}]}]}, "volumeDevices"),
        ({"containers": [{**CONTAINER, "restartPolicyRules": [{}]}]}, "restartPolicyRules"),
        ({"containers": [{**CONTAINER, "terminationMessagePath": "x"}]}, "terminationMessagePath"),
        ({"activeDeadlineSeconds": -5}, "activeDeadlineSeconds"),
        ({"containers": [CONTAINER, CONTAINER]}, "name of its own"),
        ({"containers": []}, "needs containers"),
        ({"terminationGracePeriodSeconds": -1}, "terminationGracePeriodSeconds"),
        ({"restartPolicy": "Sometimes"}, "restartPolicy"),
    ],
)
def test_a_pod_that_cannot_run_as_written_is_refused(spec: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused, match=text):
        plan(pod(**spec))


def test_a_pod_without_a_proper_uid_is_malformed() -> None:
    with pytest.raises(Malformed, match="UUID"):
        plan({"metadata": {"uid": "../x"}, "spec": {"containers": [CONTAINER]}})


def test_a_script_made_by_the_api_is_refused() -> None:
    with pytest.raises(Refused, match="jobScript"):
        plan(pod(), job_script="echo")


def test_the_script_runs_the_sites_shell_text_in_order_and_then_the_supervisor() -> None:
    runtime = PlainRuntime("/opt/python3", command_prefix="second", prologue="first", allow_pre_exec=True)
    lines = plan(pod({"slurm-job.vk.io/pre-exec": "third\nfourth"}), runtime).script.decode().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert lines[3:7] == ["first", "second", "third", "fourth"]
    assert lines[7].startswith("exec /opt/python3 -I -S ")


def test_pre_exec_is_refused_where_the_site_has_it_off() -> None:
    with pytest.raises(Refused, match="AllowPreExec"):
        plan(pod({"slurm-job.vk.io/pre-exec": "echo"}))


def test_the_script_reaches_a_directory_whose_name_has_shell_characters(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "it's $(touch x) `id`", "default", UID)
    directory.path.mkdir(parents=True)
    directory.supervisor.write_text("import os, sys; print(os.getcwd(), sys.argv[1])")
    script = plan_job(PluginCreate(pod()), directory, PlainRuntime()).script
    shell = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "7"}
    output = subprocess.run(["/bin/sh"], input=script, env=shell, cwd=tmp_path, capture_output=True, check=True).stdout
    assert output.decode() == f"{directory.path} 7\n"
    assert not (tmp_path / "x").exists()


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_nothing_of_the_pod_is_in_the_script(text: str) -> None:
    container = {"name": "c", "command": [text], "args": [text], "env": [{"name": "A", "value": text}], "image": text}
    assert plan(pod({"other": text}, containers=[container])).script == plan(pod()).script
