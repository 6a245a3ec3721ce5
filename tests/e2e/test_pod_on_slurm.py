"""What a user does with a pod that runs as a Slurm job, on the whole site."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab import demo
from tests.lab.running import ACCOUNT, API_WRITES, LIMIT_S, POLLS, Site

API_WRITES_PER_POD = 6
RPCS_PER_ROUND = 3


FIRST_SBATCH = f"/exa/{ACCOUNT}/interlink/.first-sbatch"
# Stands before the real sbatch on PATH. The first call submits, then kills the sidecar that waits for the answer.
KILLER = f"""#!/bin/sh
[ -e {FIRST_SBATCH} ] && exec /usr/bin/sbatch "$@"
/usr/bin/sbatch "$@" > {FIRST_SBATCH}
kill -9 "$PPID"
sleep 5
"""


@pytest.fixture
def killer(site: Site) -> Iterator[None]:
    """The edge host's sbatch kills the sidecar at its next call."""
    site.on("edge", "sh", "-c", 'printf %s "$1" > /usr/local/bin/sbatch; chmod 755 /usr/local/bin/sbatch', "sh", KILLER)
    yield
    site.on("edge", "rm", "--force", "/usr/local/bin/sbatch", FIRST_SBATCH)


def test_the_example_runs_and_its_log_is_the_programs(site: Site) -> None:
    outcome = demo.run_pod(site.kubectl)
    assert outcome.exit_code == 0
    assert outcome.first_line.startswith(f"Hello from job {outcome.job_id} on node n")


def test_a_followed_log_arrives_line_by_line_and_ends_with_the_container(site: Site, apply: Callable[..., str]) -> None:
    name = apply("follow", "echo first; sleep 4; echo second; exit 3")
    site.wait_for(name, "Running")
    command = site.kubectl.command("logs", "--follow", name)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "first\n"
        assert site.pod(name)["status"]["phase"] == "Running"
        assert follower.stdout.read() == "second\n"
        assert follower.wait(LIMIT_S) == 0


def test_exit_code_3_is_seen(site: Site, apply: Callable[..., str]) -> None:
    pod = site.wait_for(apply("three", "exit 3"), "Failed")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


def test_a_deleted_pod_goes_soon_and_its_job_with_it(site: Site, apply: Callable[..., str]) -> None:
    name = apply("deleted", "exec sleep 1000")
    pod = site.wait_for(name, "Running")
    site.kubectl.run("delete", "pod", name, f"--timeout={LIMIT_S}s")
    (job,) = site.jobs_of(pod)
    state = site.on("slurm1", "squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").strip()
    assert state not in ("PENDING", "RUNNING")


def test_a_sidecar_killed_after_sbatch_and_before_it_saved_the_id_yields_one_job(
    site: Site, killer: None, apply: Callable[..., str]
) -> None:
    name = apply("killed", "sleep 1")
    pod = site.wait_for(name, "Succeeded")
    first = site.on("edge", "cat", FIRST_SBATCH).split()[-1]
    assert site.jobs_of(pod) == [first]
    assert pod["metadata"]["annotations"]["JobID"] == first


def test_a_job_of_ten_completes(site: Site) -> None:
    manifest = demo.ROOT / "docs" / "examples" / "job.yaml"
    site.kubectl.run("delete", "--ignore-not-found", "--filename", str(manifest))
    site.kubectl.run("apply", "--filename", str(manifest))
    site.kubectl.run("wait", "--for=condition=Complete", f"--timeout={LIMIT_S}s", "job/squares")
    pods = json.loads(site.kubectl.run("get", "pods", "--selector=job-name=squares", "--output=json"))["items"]
    assert sorted(site.kubectl.run("logs", pod["metadata"]["name"]) for pod in pods) == sorted(
        f"the square of {index} is {index * index}\n" for index in range(10)
    )


def test_what_sbatch_refuses_is_told_in_its_own_words(site: Site, apply: Callable[..., str]) -> None:
    resources = {"limits": {"memory": "9000Gi"}}
    container = {"name": "c", "image": "busybox", "command": ["true"], "resources": resources}
    name = apply("refused", "", containers=[container], nodeName="lab-main")
    pod = site.wait_for(name, "Failed")
    assert "sbatch" in pod["status"]["message"]
    events = site.kubectl.run("get", "events", f"--field-selector=involvedObject.name={name}", "-o", "json")
    messages = [event["message"] for event in json.loads(events)["items"]]
    assert any("sbatch" in message for message in messages)


def test_hostile_text_arrives_byte_for_byte(site: Site, apply: Callable[..., str]) -> None:
    hostile = "a'b\"c $(touch /exa/owned) `id` \\ \n${HOME} ../../x *"
    container = {
        "name": "c",
        "image": "busybox",
        "command": ["/usr/bin/printf", "%s|%s", "$$(id)" + hostile.replace("$(", "$$(")],
        "env": [{"name": "HOSTILE", "value": hostile.replace("$(", "$$(")}],
    }
    container["command"] = ["/bin/sh", "-c", 'printf "%s|%s" "$HOSTILE" "$1"', "sh", hostile.replace("$(", "$$(")]
    name = apply("hostile", "", containers=[container])
    site.wait_for(name, "Succeeded")
    assert site.kubectl.run("logs", name) == f"{hostile}|{hostile}"
    assert "owned" not in site.on("slurm1", "ls", "/exa")


def test_a_status_round_costs_slurm_three_calls_however_many_pods(site: Site, apply: Callable[..., str]) -> None:
    names = [apply(f"many-{index}", "sleep 25") for index in range(5)]
    for name in names:
        site.wait_for(name, "Running")
    rounds, calls = site.metric(*POLLS), site.slurm_rpcs()
    time.sleep(15)
    rounds, calls = site.metric(*POLLS) - rounds, site.slurm_rpcs() - calls
    assert rounds >= 1
    assert calls <= RPCS_PER_ROUND * (rounds + 1)


def test_a_pods_life_costs_kubernetes_at_most_six_writes(site: Site, apply: Callable[..., str]) -> None:
    before = site.metric(*API_WRITES)
    names = [apply(f"write-{index}", "sleep 2") for index in range(4)]
    for name in names:
        site.wait_for(name, "Succeeded")
    writes = site.metric(*API_WRITES) - before
    assert len(names) <= writes <= API_WRITES_PER_POD * len(names)
