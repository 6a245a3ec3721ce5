"""The life of pods between a real API server and a stand-in site."""

import base64
import json

import pytest

from tests.integration.virtual_kubelet.conftest import World

MOST_WRITES = 6
"""Of a pod's whole life: docs/virtual-kubelet.md, "What it costs the cluster"."""


def test_a_pod_runs_to_its_end_and_is_removed_with_few_writes(world: World) -> None:
    world.site.warnings = ["container c: image img is ignored"]
    world.submit(world.pod("hello"))
    job = world.site.job_of("hello")
    assert world.show("hello")["metadata"]["annotations"]["JobID"] == str(job.number)
    job.run("c")
    running = world.await_phase("hello", "Running")["status"]
    assert running["podIP"] == "127.0.0.1"
    assert {item["type"] for item in running["conditions"] if item["status"] == "True"} == {
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    }
    job.end("c", 0)
    world.await_phase("hello", "Succeeded")
    assert world.events("hello")["ImageIgnored"] == "container c: image img is ignored"
    before = world.kubelet.forgotten()
    world.kubectl("delete", "pod", "hello", "--timeout=20s")
    world.until("it to be forgotten", lambda: world.kubelet.forgotten().pods > before.pods)
    after = world.kubelet.forgotten()
    assert after.writes - before.writes <= MOST_WRITES * (after.pods - before.pods)


def test_an_exit_code_is_the_pods(world: World) -> None:
    world.submit(world.pod("exit-3"))
    world.site.job_of("exit-3").end("c", 3)
    status = world.await_phase("exit-3", "Failed")["status"]
    assert status["reason"] == "Error: 3"
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


def test_init_containers_are_seen_one_by_one(world: World) -> None:
    container = {"name": "i", "image": "img", "command": ["true"]}
    world.submit(world.pod("with-init", initContainers=[container]))
    job = world.site.job_of("with-init")
    job.end("i", 0)
    job.run("c")
    status = world.await_phase("with-init", "Running")["status"]
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    job.end("c", 0)
    world.await_phase("with-init", "Succeeded")


def test_what_a_pod_refers_to_reaches_the_site_byte_for_byte(world: World) -> None:
    awkward = "quotes \" ' $HOME $(X) `id` \\n\nü\t{}\n"
    meta = {"namespace": world.namespace}
    world.kube.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**meta, "name": "cm"}, "data": {"k": awkward}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {**meta, "name": "s"},
            "data": {"k": base64.b64encode(awkward.encode()).decode(), "raw": base64.b64encode(b"\x00\xff").decode()},
        },
    )
    env = [
        {"name": "PLAIN", "value": "$(FROM_MAP)"},
        {"name": "FROM_MAP", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}},
        {"name": "FROM_SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "TWICE", "value": "<$(FROM_MAP)>"},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    projected = [{"secret": {"name": "s"}}, {"downwardAPI": {"items": [_label_item()]}}]
    pod = world.pod(
        "bodies",
        containers=[{"name": "c", "image": "img", "command": ["echo", "$(PLAIN)"], "env": env}],
        volumes=[
            {"name": "v", "configMap": {"name": "cm"}},
            {"name": "w", "secret": {"secretName": "s"}},
            {"name": "x", "projected": {"sources": projected}},
        ],
    )
    pod["metadata"]["labels"] = {"app": "x"}
    world.submit(pod)
    request = world.site.job_of("bodies").request
    container = request["pod"]["spec"]["containers"][0]
    sent = {item["name"]: item["value"] for item in container["env"]}
    assert sent["PLAIN"] == "$(FROM_MAP)"
    assert sent["FROM_MAP"] == sent["FROM_SECRET"] == awkward
    assert sent["TWICE"] == f"<{awkward}>"
    assert sent["IP"] == "127.0.0.1"
    assert sent["KUBERNETES_SERVICE_HOST"] == "192.0.2.1"
    assert container["command"] == ["echo", "$(PLAIN)"]
    assert [item["data"]["k"] for item in request["configmaps"]] == [awkward]
    assert base64.b64decode(request["secrets"][0]["data"]["raw"]) == b"\x00\xff"
    files = {item["metadata"]["name"]: item for item in request["projectedvolumesmaps"]}
    assert files["x"]["data"] == {"k": awkward, "labels": 'app="x"'}
    assert base64.b64decode(files["x"]["binaryData"]["raw"]) == b"\x00\xff"
    assert "managedFields" not in json.dumps(request)


def _label_item() -> dict[str, object]:
    return {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}


def test_every_pod_gets_a_token_of_its_own(world: World) -> None:
    source = {"serviceAccountToken": {"path": "t", "audience": "vault.example", "expirationSeconds": 1200}}
    world.submit(world.pod("token", volumes=[{"name": "x", "projected": {"sources": [source]}}]))
    request = world.site.job_of("token").request
    files = {item["metadata"]["name"]: item["data"] for item in request["projectedvolumesmaps"]}
    claims = _claims(files["x"]["t"])
    assert claims["aud"] == ["vault.example"]
    assert claims["exp"] - claims["iat"] == 1200
    assert claims["kubernetes.io"]["pod"]["uid"] == request["pod"]["metadata"]["uid"]
    (access,) = [data for name, data in files.items() if name.startswith("kube-api-access")]
    assert access["namespace"] == world.namespace
    assert access["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")


def _claims(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def test_a_pod_waits_for_its_secret_and_then_starts(world: World) -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}]
    world.kube.apply(world.pod("patient", containers=[{"name": "c", "image": "img", "env": env}]))
    world.until("the event", lambda: "MandatorySecretNotFound" in world.events("patient"))
    assert not world.site.has_job("patient")
    world.kubectl("create", "secret", "generic", "late", "--from-literal=k=v")
    world.until("the job", lambda: world.site.has_job("patient"))


def test_a_final_refusal_fails_the_pod_in_the_sites_words(world: World) -> None:
    words = "sbatch: error: Batch job submission failed: Invalid account"
    world.site.next_answers = [(422, words)]
    world.kube.apply(world.pod("refused"))
    status = world.await_phase("refused", "Failed")["status"]
    assert (status["reason"], status["message"]) == ("ProviderFailed", words)
    assert world.events("refused")["ProviderFailed"] == words
    assert not world.site.has_job("refused")


@pytest.mark.parametrize("answer", [(503, "controller down"), (500, ""), (401, "token expired")])
def test_again_leaves_the_pod_pending_and_tries_until_it_works(world: World, answer: tuple[int, str]) -> None:
    name = f"again-{answer[0]}"
    world.site.next_answers = [answer, answer]
    world.kube.apply(world.pod(name))
    world.until("the event", lambda: "CreateDelayed" in world.events(name))
    assert world.phase(name) == "Pending"
    world.until("the job", lambda: world.site.has_job(name))


def test_a_deleted_pod_goes_when_its_job_is_over_and_not_before(world: World) -> None:
    world.submit(world.pod("stubborn"))
    job = world.site.job_of("stubborn")
    job.run("c")
    world.await_phase("stubborn", "Running")
    world.site.ends_on_delete = False
    world.kubectl("delete", "pod", "stubborn", "--wait=false")
    uid = job.pod["metadata"]["uid"]
    world.until("the delete", lambda: uid in world.site.deletes)
    assert world.show("stubborn")["metadata"]["deletionTimestamp"]
    job.end("c", 143)
    world.until("the object to go", lambda: not world.exists("stubborn"))


def test_a_job_of_the_batch_api_counts_its_pods(world: World) -> None:
    container = {"name": "c", "image": "img", "command": ["true"]}
    template = {"spec": {**world.placement(), "containers": [container]}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "batch", "namespace": world.namespace},
        "spec": {"completions": 3, "parallelism": 3, "template": template},
    }
    world.kube.apply(job)
    world.until("three jobs", lambda: len(_batch(world)) == 3)
    for one in _batch(world):
        one.end("c", 0)
    world.kubectl("wait", "job/batch", "--for=condition=Complete", "--timeout=30s")


def _batch(world: World) -> list:
    return [job for job in world.site.jobs.values() if job.pod["metadata"]["name"].startswith("batch-")]
