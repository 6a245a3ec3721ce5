"""What breaks, and what then holds."""

import asyncio
import json
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.integration.interlink_api.bodies import OTHER_UID, UID, create, logs, pod
from tests.integration.interlink_api.plugin import Plugin, serving
from tests.integration.interlink_api.site import Client, Site, running


async def test_a_sidecar_that_is_down_is_something_to_try_again(prepared: Site, twin02: Plugin) -> None:
    prepared.configure()
    async with serving(prepared.plugin_path("twin01")):
        await prepared.start_heard()
    async with prepared.client("vk.vega") as kubelet:
        await _is_told_to_try_again(prepared, kubelet)


async def _is_told_to_try_again(site: Site, kubelet: Client) -> None:
    answers = [
        await kubelet.call("POST", "/create", create()),
        await kubelet.call("DELETE", "/delete", pod()),
        await kubelet.call("GET", "/status", [pod()]),
        await kubelet.call("GET", "/getLogs", logs()),
    ]
    assert [answer.status for answer in answers] == [503] * 4
    assert all("the sidecar of account twin01 cannot be reached" in answer.text for answer in answers)
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    assert all("twin01.sock" not in answer.text for answer in answers), "paths are for the log"
    async with serving(site.plugin_path("twin01")):
        assert (await kubelet.call("POST", "/create", create())).status == 200


async def test_one_sidecar_that_is_down_hides_only_its_own_pods(kubelet: Client, twin02: Plugin) -> None:
    await kubelet.call("POST", "/create", create(OTHER_UID, "physics"))
    await twin02.stop()
    await kubelet.call("POST", "/create", create())
    answer = await kubelet.call("GET", "/status", [pod(), pod(OTHER_UID, "physics")])
    assert [item["UID"] for item in json.loads(answer.text)] == [UID]
    assert answer.headers["InterLink-Incomplete"] == "twin02"


async def test_a_status_that_cannot_be_read_is_no_status(kubelet: Client, twin01: Plugin, site: Site) -> None:
    await kubelet.call("POST", "/create", create())
    twin01.failing = (200, '{"not": "a list"}', {})
    answer = await kubelet.call("GET", "/status", [pod()])
    assert answer.status == 503
    assert "gave a status that cannot be read" in answer.text
    metrics = (await site.admin("/metrics")).text
    assert 'dte_interlink_api_plugin_errors_total{account="twin01",kind="output"} 1.0' in metrics


async def test_owners_survive_a_kill(site: Site, kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    await site.kill()
    await site.start()
    async with site.client("vk.juelich") as stranger:
        assert (await stranger.call("DELETE", "/delete", pod())).status == 404
    async with site.client("vk.vega", pair=None) as same:
        state = await same.call("GET", "/status", [pod()])
        assert [item["UID"] for item in json.loads(state.text)] == [UID]
    assert twin01.deleted == set()


async def test_an_owner_is_on_disk_before_the_sidecar_hears_of_the_pod(
    site: Site, kubelet: Client, twin01: Plugin
) -> None:
    twin01.hold_creates = True
    asking = asyncio.create_task(kubelet.call("POST", "/create", create()))
    await twin01.holding.wait()
    await site.kill()
    with pytest.raises(aiohttp.ClientError):
        await asking
    twin01.gate.set()
    await site.start()
    async with site.client("vk.juelich") as stranger:
        assert (await stranger.call("POST", "/create", create())).status == 404


async def test_a_stop_lets_a_create_in_flight_finish(site: Site, kubelet: Client, twin01: Plugin) -> None:
    twin01.hold_creates = True
    asking = asyncio.create_task(kubelet.call("POST", "/create", create()))
    await twin01.holding.wait()
    stopping = asyncio.create_task(site.stop())
    await _logged(site, "stopping")
    twin01.gate.set()
    assert (await asking).status == 200
    assert await stopping == 0


async def test_a_stop_ends_followed_logs_at_once(prepared: Site, twin01: Plugin, twin02: Plugin) -> None:
    prepared.configure(StopTimeout=300)
    await prepared.start_heard()
    async with prepared.client("vk.vega") as client:
        await client.call("POST", "/create", create())
        async with client.open("GET", "/getLogs", logs(follow=True)) as response:
            await response.content.readline()
            await twin01.holding.wait()
            assert await prepared.stop() == 0
            with pytest.raises(aiohttp.ClientError):
                await response.content.read()
    assert "request_failed" not in prepared.log_file.read_text()


async def test_hangup_keeps_the_daemon_and_reads_the_certificates(site: Site, kubelet: Client, twin01: Plugin) -> None:
    assert site.process is not None
    site.process.send_signal(signal.SIGHUP)
    await _logged(site, "certificate_replaced")
    assert (await kubelet.call("POST", "/pinglink", b"")).status == 200


async def test_bodies_that_are_no_json_or_too_large(tmp_path: Path) -> None:
    async with running(tmp_path, MaxBodyBytes=4096) as site, site.client("vk.vega") as client:
        for method, path in (("POST", "/create"), ("DELETE", "/delete"), ("GET", "/status"), ("GET", "/getLogs")):
            assert (await client.call(method, path, b'{"pod":')).status == 400
            assert (await client.call(method, path, b" " * 5000)).status == 413


async def test_one_line_for_each_request_and_one_for_each_job(site: Site, kubelet: Client, twin01: Plugin) -> None:
    body = create()
    body["pod"]["metadata"]["labels"] = {"dte.intertwin.eu/requester": "marie"}
    await kubelet.call("POST", "/create", body, **{"InterLink-Http-Session": "CreatePod#42"})
    lines = [json.loads(line) for line in site.log_file.read_text().splitlines()]
    (audit,) = [line for line in lines if line["event"] == "audit_create"]
    facts = ("namespace", "service_account", "requester", "account", "job_id", "owner", "request_id")
    assert [audit[key] for key in facts] == [
        "climate",
        "default",
        "marie",
        "twin01",
        "100",
        "cluster/node1",
        "CreatePod#42",
    ]
    (request,) = [line for line in lines if line["event"] == "request"]
    assert (request["path"], request["status"], request["request_id"]) == ("/create", 200, "CreatePod#42")
    assert '"t"' not in site.log_file.read_text(), "no content of a projected volume"


async def test_figures_and_health_are_on_the_admin_listener(site: Site, kubelet: Client, twin01: Plugin) -> None:
    await kubelet.call("POST", "/create", create())
    await kubelet.call("POST", "/create", create(OTHER_UID, "biology"))
    assert (await site.admin("/readyz")).status == 200
    metrics = (await site.admin("/metrics")).text
    assert "dte_interlink_api_pods 1.0" in metrics
    assert 'dte_http_requests_total{method="POST",route="/create",status="200"} 1.0' in metrics


async def _logged(site: Site, event: str) -> None:
    """Wait until the daemon has written that line."""
    async with asyncio.timeout(20):
        while f'"event": "{event}"' not in site.log_file.read_text():
            await asyncio.sleep(0.02)
