import asyncio
import json

import pytest
from aiohttp.test_utils import TestClient, TestServer

from dte.interlink import wire
from dte.interlink.sidecars.slurm.routes import routes
from dte.interlink.sidecars.slurm.sidecar import SlurmSidecar
from dte.runtime.errors import Refused
from tests.unit.interlink_slurm.fake_slurm import FakeSlurm, Fault
from tests.unit.interlink_slurm.pods import OTHER_UID, UID, a_create, a_pod, some_settings


@pytest.fixture
def slurm():
    return FakeSlurm()


@pytest.fixture
async def client(tmp_path, slurm):
    sidecar = SlurmSidecar(some_settings(tmp_path / "jobs", MaxBodyBytes=1 << 16), slurm)
    async with sidecar.owning(), TestClient(TestServer(routes(sidecar))) as client:
        yield client


async def create(client, pod=None, **headers):
    body = wire.encode_plugin_create(a_create(pod))
    return await client.post("/create", data=body, headers=headers)


async def test_a_create_answers_with_uid_and_job_id(client):
    response = await create(client)

    answer = await response.json()
    assert (response.status, answer["PodUID"], answer["PodJID"]) == (200, UID, "1")


async def test_the_one_element_list_of_older_apis_is_a_create_too(client):
    body = b"[" + wire.encode_plugin_create(a_create()) + b"]"

    assert (await client.post("/create", data=body)).status == 200


async def test_owner_and_creator_headers_reach_the_record(client, tmp_path):
    creator = wire.encode_creator(wire.Creator("CN=ca", "CN=vk,O=\u00e9"))

    await create(client, **{wire.OWNER_HEADER: "ks/node", wire.CREATOR_HEADER: creator})

    record = json.loads((tmp_path / "jobs" / f"default-{UID}" / "record.json").read_text())
    assert (record["owner_id"], record["creator"]["subject"]) == ("ks/node", "CN=vk,O=\u00e9")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_status_is_answered_in_one_go_and_unknown_pods_are_left_out(client, method):
    await create(client)

    response = await client.request(method, "/status", data=json.dumps([a_pod(), a_pod(uid=OTHER_UID)]))

    assert [item["UID"] for item in await response.json()] == [UID]


async def test_an_empty_status_request_is_a_ping(client):
    answer = await (await client.get("/status", data=b"[]")).json()

    assert (answer["status"], answer["resources"]["cpu"], answer["taints"]) == ("ok", "16", [])


async def test_a_ping_whose_caller_left_before_sinfo_answered_serves_the_next_one(tmp_path):
    class SlowSlurm(FakeSlurm):
        answers, asked = asyncio.Event(), asyncio.Event()

        async def nodes(self, partitions):
            self.asked.set()
            await self.answers.wait()
            return await super().nodes(partitions)

    slurm = SlowSlurm()
    sidecar = SlurmSidecar(some_settings(tmp_path / "jobs"), slurm)
    async with sidecar.owning():
        impatient = asyncio.create_task(sidecar.ping(""))
        await slurm.asked.wait()
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        slurm.answers.set()

        assert (await sidecar.ping("")).resources["cpu"] == "16"

    assert [call[0] for call in slurm.calls].count("nodes") == 1


async def test_a_submit_under_way_reaches_the_record_although_the_daemon_ends_by_a_fault(tmp_path):
    class SlowSlurm(FakeSlurm):
        answers, asked = asyncio.Event(), asyncio.Event()

        async def submit(self, submission):
            self.asked.set()
            await self.answers.wait()
            return await super().submit(submission)

    slurm = SlowSlurm()
    sidecar = SlurmSidecar(some_settings(tmp_path / "jobs"), slurm)

    async def break_while_submitting():
        async with sidecar.owning():
            caller = asyncio.create_task(sidecar.create(a_create(), owner_id="", creator=None))
            await slurm.asked.wait()
            caller.cancel()
            slurm.answers.set()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_while_submitting()

    record = json.loads((tmp_path / "jobs" / f"default-{UID}" / "record.json").read_text())
    assert (record["state"], record["job_id"]) == ("submitted", "1")


@pytest.mark.parametrize("method", ["DELETE", "POST"])
async def test_a_delete_is_answered_with_text_and_is_harmless_to_repeat(client, method):
    await create(client)

    for pod in (a_pod(), a_pod(), a_pod(uid=OTHER_UID)):
        response = await client.request(method, "/delete", data=json.dumps(pod))
        assert response.status == 200
        assert "deleted" in await response.text()


async def test_a_refusal_is_422_with_the_words_alone(client, slurm):
    slurm.faults["submit"] = [Refused("sbatch refused (exit 1): Invalid account")]

    response = await create(client)

    assert (response.status, await response.text()) == (422, "sbatch refused (exit 1): Invalid account")


async def test_again_is_503_with_retry_after(client, slurm):
    slurm.faults["submit"] = [Fault.BEFORE]

    response = await create(client)

    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0


async def test_a_create_after_a_delete_is_409(client):
    await create(client)
    await client.delete("/delete", data=json.dumps(a_pod()))

    assert (await create(client)).status == 409


@pytest.mark.parametrize("path", ["/create", "/delete", "/status", "/getLogs"])
@pytest.mark.parametrize("body", [b"{", b"\xff", b'"text"', b"5"])
async def test_what_is_no_json_of_the_contract_is_400(client, path, body):
    response = await client.post(path, data=body)

    assert response.status == 400
    assert "Traceback" not in await response.text()


@pytest.mark.parametrize("path", ["/create", "/delete", "/status", "/getLogs"])
async def test_a_body_over_the_limit_is_413(client, path):
    assert (await client.post(path, data=b"[" + b" " * (1 << 17) + b"]")).status == 413


async def test_logs_of_an_unknown_pod_are_404(client):
    await create(client)
    unknown = wire.LogRequest("default", OTHER_UID, "p", "main")
    elsewhere = wire.LogRequest("other", UID, "p", "main")

    for request in (unknown, elsewhere):
        assert (await client.get("/getLogs", data=wire.encode_log_request(request))).status == 404
