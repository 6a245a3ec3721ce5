"""What each call does, end to end: real TLS, the real daemon, a sidecar that keeps the contract."""

import json

import aiohttp
import pytest

from tests.integration.interlink_api.bodies import OTHER_UID, UID, create, logs, pod
from tests.integration.interlink_api.plugin import PING, Plugin
from tests.integration.interlink_api.site import Client, Site


async def test_create_gives_the_job_and_tells_the_sidecar_who_asked(kubelet: Client, twin01: Plugin) -> None:
    answer = await kubelet.call("POST", "/create", create(), **{"InterLink-Http-Session": "CreatePod#7"})
    assert (answer.status, json.loads(answer.text)) == (200, {"PodUID": UID, "PodJID": "100"})
    ((route, headers, body),) = twin01.calls
    assert route == "/create"
    assert json.loads(headers["InterLink-Creator"]) == {
        "issuer": "CN=federation-ca,O=Federation",
        "subject": "CN=vk.vega,O=Federation",
    }
    assert headers["InterLink-Owner"] == "cluster/node1"
    assert headers["InterLink-Node"] == "node1"
    assert headers["InterLink-Http-Session"] == "CreatePod#7"
    assert body["pod"] == pod()
    assert [item["name"] for item in body["container"]] == ["c"]
    assert body["container"][0]["projectedvolumemaps"][0]["data"] == {"token": "t"}
    assert body["jobConfig"]["ApptainerOptions"]["fakeroot"] is False


async def test_a_repeated_create_gives_the_same_job(kubelet: Client, twin01: Plugin) -> None:
    first = await kubelet.call("POST", "/create", create())
    second = await kubelet.call("POST", "/create", create())
    assert first.text == second.text
    assert len(twin01.jobs) == 1


async def test_pods_go_to_the_account_of_their_namespace(kubelet: Client, twin01: Plugin, twin02: Plugin) -> None:
    await kubelet.call("POST", "/create", create(UID, "climate"))
    await kubelet.call("POST", "/create", create(OTHER_UID, "physics"))
    assert (list(twin01.jobs), list(twin02.jobs)) == ([UID], [OTHER_UID])
    answer = await kubelet.call("GET", "/status", [pod(OTHER_UID, "physics"), pod(UID)])
    assert [item["UID"] for item in json.loads(answer.text)] == [OTHER_UID, UID]


async def test_a_namespace_without_account_is_refused(kubelet: Client, twin01: Plugin) -> None:
    answer = await kubelet.call("POST", "/create", create(namespace="biology"))
    assert answer.status == 422
    assert answer.text.startswith("no account of this site takes pods of namespace biology")
    assert twin01.calls == []


async def test_a_job_script_builder_is_refused_by_name(kubelet: Client, twin01: Plugin) -> None:
    answer = await kubelet.call("POST", "/create", create(jobscriptURL="https://builder.example"))
    assert (answer.status, "jobscriptURL is not supported" in answer.text) == (422, True)
    assert twin01.calls == []


@pytest.mark.parametrize(
    ("status", "text", "headers"),
    [
        (422, "sbatch: error: Invalid account", {}),
        (409, "pod was deleted", {}),
        (503, "controller down", {"Retry-After": "30"}),
        (500, "", {}),
    ],
)
async def test_a_sidecars_error_is_passed_on_as_it_is(
    kubelet: Client, twin01: Plugin, status: int, text: str, headers: dict[str, str]
) -> None:
    twin01.failing = (status, text, headers)
    answer = await kubelet.call("POST", "/create", create())
    assert (answer.status, answer.text, answer.headers.get("Retry-After")) == (status, text, headers.get("Retry-After"))


@pytest.mark.parametrize("said", ["no JSON", '{"PodUID":"other","PodJID":"1"}', f'{{"PodUID":"{UID}","PodJID":""}}'])
async def test_a_create_answer_about_something_else_is_no_success(kubelet: Client, twin01: Plugin, said: str) -> None:
    twin01.create_answer = said
    answer = await kubelet.call("POST", "/create", create())
    assert answer.status == 502
    assert answer.text.startswith("the sidecar of account twin01")


async def test_delete_may_be_repeated_and_the_state_stays_to_be_seen(kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    first = await kubelet.call("DELETE", "/delete", pod())
    second = await kubelet.call("POST", "/delete", [pod()])
    assert (first.status, second.status) == (200, 200)
    assert [route for route, _, _ in twin01.calls] == ["/create", "/delete", "/delete"]
    state = await kubelet.call("GET", "/status", [pod()])
    assert [item["UID"] for item in json.loads(state.text)] == [UID]


async def test_a_deleted_pod_is_not_created_again(kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    await kubelet.call("DELETE", "/delete", pod())
    answer = await kubelet.call("POST", "/create", create())
    assert (answer.status, "was deleted here" in answer.text) == (409, True)
    assert [route for route, _, _ in twin01.calls] == ["/create", "/delete"]


async def test_deleting_a_pod_that_the_table_lost_still_reaches_the_sidecar(kubelet: Client, twin01: Plugin) -> None:
    answer = await kubelet.call("DELETE", "/delete", pod())
    assert answer.status == 200
    assert twin01.deleted == {UID}


async def test_status_of_nothing_is_an_empty_list(kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    for body in ([], None, b""):
        answer = await kubelet.call("GET", "/status", body)
        assert (answer.status, json.loads(answer.text)) == (200, [])


async def test_an_unknown_pod_is_left_out(kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    answer = await kubelet.call("POST", "/status", [pod(OTHER_UID), pod(UID)])
    (state,) = json.loads(answer.text)
    assert (state["UID"], state["JID"]) == (UID, "100")
    assert state["containers"][0]["state"] == {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


async def test_logs_arrive_before_the_container_ends(kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    async with kubelet.open("GET", "/getLogs", logs(follow=True)) as response:
        assert await response.content.readline() == b"first line\n"
        assert twin01.holding.is_set()
        twin01.gate.set()
        assert await response.content.read() == b"last line\n"
    assert response.content_type == "text/plain"


async def test_a_log_that_breaks_off_does_not_look_complete(kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    twin01.break_logs = True
    async with kubelet.open("GET", "/getLogs", logs(follow=True)) as response:
        assert await response.content.readline() == b"first line\n"
        twin01.gate.set()
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()


async def test_a_log_request_that_makes_no_sense_is_refused_in_upstreams_words(kubelet: Client, twin01: Plugin) -> None:
    answer = await kubelet.call("GET", "/getLogs", {**logs(), "ContainerName": "../c"})
    assert (answer.status, answer.text) == (400, "invalid container name: must be a valid DNS label")
    answer = await kubelet.call("GET", "/getLogs", b"{")
    assert (answer.status, answer.text) == (400, "invalid request body")


async def test_one_sidecar_that_answers_a_ping_speaks_for_the_site(site: Site, kubelet: Client, twin02: Plugin) -> None:
    for method, path in (("POST", "/pinglink"), ("GET", "/ping")):
        answer = await kubelet.call(method, path, b"")
        assert (answer.status, json.loads(answer.text)) == (200, PING)
    assert twin02.calls[0][1]["InterLink-Node"] == "node1"


async def test_a_taint_of_one_account_does_not_close_the_node(kubelet: Client, twin01: Plugin, twin02: Plugin) -> None:
    twin01.ping["taints"] = [{"key": "virtual-node.interlink/drained", "value": "true", "effect": "NoSchedule"}]
    answer = await kubelet.call("POST", "/pinglink", b"")
    assert json.loads(answer.text) == PING


async def test_a_cache_that_is_not_there_is_up_to_date(kubelet: Client) -> None:
    answer = await kubelet.call("POST", "/updateCache", UID.encode())
    assert (answer.status, answer.text) == (200, "Updated cache")


async def test_paths_and_methods_that_are_not_ours(kubelet: Client) -> None:
    answer = await kubelet.call("GET", "/elsewhere", b"")
    assert (answer.status, answer.text) == (404, "404 page not found")
    answer = await kubelet.call("PUT", "/create", create())
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
