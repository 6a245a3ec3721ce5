"""Requests that are JSON but no pods: an answer of the contract, never a stack."""

import asyncio
import copy
import json
import tempfile
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dte.interlink.sidecars.slurm.options import FLAGS_ANNOTATION
from dte.interlink.sidecars.slurm.routes import routes
from dte.interlink.sidecars.slurm.sidecar import SlurmSidecar
from tests.unit.interlink_slurm.conftest import MEMORY
from tests.unit.interlink_slurm.fake_slurm import FakeSlurm
from tests.unit.interlink_slurm.pods import a_container, a_pod, some_settings

POD = a_pod(
    {**a_container("main", cpu="1", memory="1Gi"), "env": [{"name": "A", "value": "b"}], "volumeMounts": []},
    init=[a_container("init")],
    annotations={FLAGS_ANNOTATION: "-t 5"},
    labels={"dte.intertwin.eu/requester": "ada"},
    activeDeadlineSeconds=60,
    terminationGracePeriodSeconds=3,
    volumes=[],
)
BODY = {"pod": POD, "container": [{"name": "main", "configMaps": [], "secrets": [], "projectedvolumemaps": []}]}
ODD = st.sampled_from([None, True, 0, -1, 10**30, 1.5, "", "x", "a\0b", "../..", [], [None], [5], {}, {"a": 5}, [[]]])


def places(node, path=()):
    """The path of everything in a JSON value."""
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def with_change(node, path, value):
    if not path:
        return value
    changed = copy.deepcopy(node)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


async def answer(method, path, body):
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as root:
        sidecar = SlurmSidecar(some_settings(Path(root) / "jobs"), FakeSlurm())
        async with sidecar.owning(), TestClient(TestServer(routes(sidecar))) as client:
            response = await client.request(method, path, data=json.dumps(body))
            return response.status, await response.text()


@given(st.sampled_from(list(places(BODY))), ODD)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_create_with_anything_in_any_place_is_answered(place, value):
    status, text = asyncio.run(answer("POST", "/create", with_change(BODY, place, value)))

    assert status in {200, 400, 422}, text


@given(st.sampled_from(["/delete", "/status", "/getLogs"]), st.sampled_from(list(places(POD))), ODD)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_other_requests_with_anything_in_any_place_are_answered(path, place, value):
    changed = with_change(POD, place, value)

    status, text = asyncio.run(answer("POST", path, [changed] if path == "/status" else changed))

    assert status in {200, 400, 404, 422}, text
