"""Pods as real jobs."""

import json
import time

import pytest

from tests.integration.interlink_slurm.sidecar import Sidecar, a_pod, pod_of

FLAGS = "slurm-job.vk.io/flags"


def test_a_pod_runs_to_its_exit_code_and_its_log_can_be_read(sidecar: Sidecar) -> None:
    pod = a_pod("echo hello; exit 3")

    created = sidecar.create(pod).json
    (ended,) = sidecar.wait_for(pod, "terminated")

    assert created["PodUID"] == pod["metadata"]["uid"]
    assert sidecar.status(pod)["JID"] == created["PodJID"]
    assert ended["exitCode"] == 3
    assert ended["startedAt"] <= ended["finishedAt"]
    assert sidecar.log(pod) == "hello\n"
    assert sidecar.jobs_of(pod) == ["FAILED"]


def test_every_job_is_named_and_commented_for_its_pod(sidecar: Sidecar) -> None:
    pod = a_pod("sleep 60")
    sidecar.create(pod)

    uid = pod["metadata"]["uid"]
    show = ("squeue", "--me", "--noheader", f"--name={uid}", "--Format=Comment:|,WorkDir:|,Requeue:|")
    assert sidecar.slurm.run(*show).strip() == f"dte1:default/hello/default/|{sidecar.root}/default-{uid}|0|"
    sidecar.delete(pod)


def test_nothing_of_the_daemons_environment_reaches_a_job(sidecar: Sidecar) -> None:
    pod = pod_of({"name": "main", "image": "i", "command": ["/usr/bin/env"], "env": [{"name": "OWN", "value": "1"}]})
    sidecar.create(pod)
    sidecar.exit_codes(pod)

    names = {line.partition("=")[0] for line in sidecar.log(pod).splitlines()}

    assert "OWN" in names
    assert not {name for name in names if name.startswith(("SBATCH_", "PYTHON", "NOTIFY_", "LISTEN_"))}


def test_init_containers_run_in_order_before_the_others(sidecar: Sidecar) -> None:
    def container(name: str, command: str) -> dict[str, object]:
        mounts = [{"name": "shared", "mountPath": "/shared"}]
        return {"name": name, "image": "i", "command": ["/bin/sh", "-c", command], "volumeMounts": mounts}

    pod = pod_of(
        container("main", "cat /shared/order"),
        initContainers=[
            container("a", "echo a >> /shared/order"),
            container("b", "echo b >> /shared/order; echo said"),
        ],
        volumes=[{"name": "shared", "emptyDir": {}}],
    )
    sidecar.create(pod)

    assert sidecar.exit_codes(pod) == [0]
    assert sidecar.log(pod) == "a\nb\n"
    assert sidecar.log(pod, "b") == "said\n"
    assert [c["state"]["terminated"]["exitCode"] for c in sidecar.status(pod)["initContainers"]] == [0, 0]


def test_the_highest_exit_code_of_several_containers_does_not_hide_the_others(sidecar: Sidecar) -> None:
    containers = [{"name": f"c{n}", "image": "i", "command": ["/bin/sh", "-c", f"exit {n}"]} for n in (0, 5, 2)]
    pod = pod_of(*containers)
    sidecar.create(pod)

    assert sidecar.exit_codes(pod) == [0, 5, 2]


VOLUMES = [
    {"name": "cfg", "configMap": {"name": "cm"}},
    {"name": "sec", "secret": {"secretName": "s"}},
    {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    {"name": "scratch", "emptyDir": {}},
]
MOUNTS = [
    {"name": "cfg", "mountPath": "/etc/cfg", "readOnly": True},
    {"name": "sec", "mountPath": "/etc/sec"},
    {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
    {"name": "scratch", "mountPath": "/scratch"},
]


def test_configmap_secret_projected_and_emptydir_are_mounted_in_a_real_job(sidecar: Sidecar) -> None:
    command = (
        "cat /etc/cfg/text; cat /etc/sec/key; cat /var/run/secrets/kubernetes.io/serviceaccount/token; "
        "echo -n kept > /scratch/f && cat /scratch/f; if touch /etc/cfg/new 2>/dev/null; then exit 9; fi"
    )
    container = {"name": "main", "image": "i", "command": ["/bin/sh", "-c", command], "volumeMounts": MOUNTS}
    pod = pod_of(container, volumes=VOLUMES)

    sidecar.create(
        pod,
        configMaps=[{"metadata": {"name": "cm"}, "data": {"text": "a literal \\n stays;"}}],
        secrets=[{"metadata": {"name": "s"}, "data": {"key": "c2VjcmV0Ow=="}}],
        projectedvolumemaps=[{"metadata": {"name": "token"}, "data": {"token": "tok;"}}],
    )

    assert sidecar.exit_codes(pod) == [0], sidecar.log(pod)
    assert sidecar.log(pod) == "a literal \\n stays;secret;tok;kept"


def test_a_sidecar_probes_a_volume_in_memory_and_a_message_work_in_a_real_job(sidecar: Sidecar) -> None:
    mounts = [{"name": "memory", "mountPath": "/m"}]
    helper = {
        "name": "helper",
        "image": "i",
        "command": ["/bin/sh", "-c", "stat -f -c %T /m > /m/kind; exec sleep 1000"],
        "restartPolicy": "Always",
        "startupProbe": {"exec": {"command": ["test", "-s", "/m/kind"]}, "periodSeconds": 1},
        "volumeMounts": mounts,
    }
    main = {
        "name": "main",
        "image": "i",
        "command": [
            "/bin/sh",
            "-c",
            "cat /m/kind; until [ -e /m/asked ]; do sleep 0.1; done; echo bye > /dev/termination-log",
        ],
        "livenessProbe": {"exec": {"command": ["touch", "/m/asked"]}, "periodSeconds": 1},
        "lifecycle": {"postStart": {"exec": {"command": ["test", "-e", "/m/kind"]}}},
        "volumeMounts": mounts,
    }
    memory = {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    pod = pod_of(main, initContainers=[helper], volumes=[memory], terminationGracePeriodSeconds=5)

    sidecar.create(pod)
    (ended,) = sidecar.wait_for(pod, "terminated")

    assert (ended["exitCode"], ended["message"]) == (0, "bye\n"), sidecar.log(pod)
    assert sidecar.log(pod) == "tmpfs\n"
    assert sidecar.jobs_of(pod) == ["COMPLETED"]


HOSTILE = [
    "plain",
    "with 'single' and \"double\" quotes",
    "$(touch /tmp/owned) `touch /tmp/owned` $HOME ${HOME}",
    "; rm -rf / & | > < \\ * ? [a] {b} ~ ! # %",
    "two\nlines\n#SBATCH --uid=0\n",
    "../../../etc/passwd",
    "tab\tand \u00fcnic\u00f6de \U0001f680",
    "",
    "--option=-x",
]


SHOW_ALL = """
import json, os, sys
arguments = sys.argv[1:]
print(json.dumps([arguments, [os.environ[f"V{number}"] for number in range(len(arguments))]]))
"""


def test_hostile_arguments_and_environment_arrive_byte_exact(sidecar: Sidecar) -> None:
    container = {
        "name": "main",
        "image": "i",
        "command": ["/usr/bin/python3", "-c", SHOW_ALL],
        "args": HOSTILE,
        "env": [{"name": f"V{number}", "value": value} for number, value in enumerate(HOSTILE)],
    }
    pod = pod_of(container)
    sidecar.create(pod)

    assert sidecar.exit_codes(pod) == [0], sidecar.log(pod)
    assert json.loads(sidecar.log(pod)) == [HOSTILE, HOSTILE]
    assert sidecar.slurm.run("ls", "/tmp").find("owned") == -1


def test_hostile_names_in_annotations_and_labels_reach_no_shell(sidecar: Sidecar) -> None:
    pod = a_pod("true")
    pod["metadata"]["name"] = "$(touch /tmp/owned)|`x`"
    pod["metadata"]["labels"] = {"dte.intertwin.eu/requester": "a|b\n'c'"}
    sidecar.create(pod)

    assert sidecar.exit_codes(pod) == [0]
    assert sidecar.status(pod)["name"] == pod["metadata"]["name"]
    assert "owned" not in sidecar.slurm.run("ls", "/tmp")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--partition=nosuch", "Invalid partition name specified"),
        ("--time=soon", "Invalid --time specification"),
        ("--licenses=nosuch", "Invalid license specification"),
        ("--gres=fpga:1", "Invalid generic resource (gres) specification"),
    ],
)
def test_what_sbatch_refuses_is_422_with_its_words(sidecar: Sidecar, flags: str, words: str) -> None:
    pod = a_pod("true", annotations={FLAGS: flags})

    answer = sidecar.create(pod)

    assert answer.status == 422
    assert words in answer.text
    assert sidecar.status(pod) is None


def test_a_refused_option_is_refused_before_sbatch_sees_it(sidecar: Sidecar) -> None:
    answer = sidecar.create(a_pod("true", annotations={FLAGS: "--arr=1-3"}))

    assert answer.status == 422
    assert "--arr" in answer.text


def test_a_running_pod_that_ends_on_term_is_terminal_soon_after_its_delete(sidecar: Sidecar) -> None:
    pod = a_pod("trap 'echo stopped; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
    sidecar.create(pod)
    sidecar.wait_for(pod, "running")
    wait_for_text(sidecar, pod, "ready")

    assert sidecar.delete(pod).status == 200
    (ended,) = sidecar.wait_for(pod, "terminated")

    assert ended["exitCode"] == 143  # a cancelled job is no success, whatever its program returns
    assert sidecar.create(pod).status == 409


def test_a_pod_that_ignores_term_has_its_grace_period_and_is_then_killed(sidecar: Sidecar) -> None:
    pod = a_pod("trap '' TERM; echo ready; while :; do sleep 0.1; done", terminationGracePeriodSeconds=2)
    sidecar.create(pod)
    wait_for_text(sidecar, pod, "ready")

    sidecar.delete(pod)
    (ended,) = sidecar.wait_for(pod, "terminated")

    assert ended["exitCode"] == 137


def test_a_waiting_pod_is_gone_after_its_delete(sidecar: Sidecar) -> None:
    pod = a_pod("true", annotations={FLAGS: "--hold"})
    sidecar.create(pod)
    sidecar.wait_for(pod, "waiting")

    sidecar.delete(pod)
    (ended,) = sidecar.wait_for(pod, "terminated")

    assert ended["reason"] == "CANCELLED"
    assert ended["exitCode"] != 0
    assert sidecar.jobs_of(pod) == ["CANCELLED"]


def test_a_job_that_somebody_else_cancels_fails(sidecar: Sidecar) -> None:
    pod = a_pod("sleep 300", annotations={FLAGS: "--hold"})
    job_id = sidecar.create(pod).json["PodJID"]

    sidecar.slurm.run("scancel", job_id)

    # Its script never ran, so only the queue can tell, once the files had their time.
    assert sidecar.jobs_of(pod) == ["CANCELLED"]
    sidecar.delete(pod)
    assert sidecar.exit_codes(pod) == [143]


def test_a_log_can_be_followed_while_it_grows_and_ends_with_the_pod(sidecar: Sidecar) -> None:
    pod = a_pod("for i in 1 2 3; do echo $i; sleep 0.5; done")
    sidecar.create(pod)
    sidecar.wait_for(pod, "running")

    assert sidecar.log(pod, Follow=True) == "1\n2\n3\n"
    assert sidecar.exit_codes(pod) == [0]


def test_the_tail_of_a_log_is_its_last_lines(sidecar: Sidecar) -> None:
    pod = a_pod("seq 10")
    sidecar.create(pod)
    sidecar.exit_codes(pod)

    assert sidecar.log(pod, Tail=3) == "8\n9\n10\n"


def test_a_ping_has_the_clusters_totals(sidecar: Sidecar) -> None:
    answer = sidecar.call("GET", "/status", []).json

    assert answer["resources"] == {"cpu": "64", "memory": "64000Mi", "pods": "1000"}
    assert answer["taints"] == []


def wait_for_text(sidecar: Sidecar, pod: dict[str, object], text: str) -> None:
    """Until the pod's log holds `text`."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = sidecar.status(pod)
        if "waiting" not in status["containers"][0]["state"] and text in sidecar.log(pod):
            return
        time.sleep(0.1)
    raise AssertionError(f"no {text!r} in the log: {status}")
