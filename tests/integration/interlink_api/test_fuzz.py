"""Whatever a client sends, the answer is an answer of the contract and never our fault."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.interlink_api.bodies import create, logs, pod
from tests.integration.interlink_api.plugin import serving
from tests.integration.interlink_api.site import Site

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
ROUTES = [("POST", "/create"), ("POST", "/delete"), ("POST", "/status"), ("POST", "/getLogs"), ("POST", "/pinglink")]
EXPECTED = {200, 400, 404, 409, 413, 422}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("api", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a sidecar, in a loop of its own: hypothesis calls synchronous tests."""
    site = Site(tmp_path_factory.mktemp("fuzz"))
    site.listen_on_unix_socket(ErrorsOnlyLogging=True)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ready = threading.Event()

    async def run() -> None:
        async with serving(site.plugin_path("twin01")), serving(site.plugin_path("twin02")):
            await site.start()
            async with site.unix_client() as client:
                await client.until_served()
            ready.set()
            await stop.wait()
            await site.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(30)
    yield site
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A body of the contract in which one place, somewhere, holds something else."""
    body: Any = draw(st.sampled_from([create(), pod(), [pod()], logs()]))
    body = msgspec.json.decode(msgspec.json.encode(body))
    place = body
    for _ in range(draw(st.integers(0, 6))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key]:
            place[key] = draw(JSON)
            return msgspec.json.encode(body)
        parent, place = place, place[key]
        if draw(st.booleans()):
            parent[key] = draw(JSON)
            return msgspec.json.encode(body)
    return msgspec.json.encode(body)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ROUTES), mutated() | JSON.map(msgspec.json.encode) | st.binary(max_size=200))
def test_no_body_is_an_error_of_ours(fuzzed: Site, route: tuple[str, str], body: bytes) -> None:
    connection = UnixConnection(fuzzed.socket_path)
    try:
        connection.request(*route, body=body)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    assert response.status in EXPECTED, text
    assert response.status == 200 or text, "an error says what is wrong"
    assert "request_failed" not in fuzzed.log_file.read_text()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000, id="deep list"),
        pytest.param(b'{"a":' * 100_000, id="deep object"),
        pytest.param(b'"\\ud800"', id="half a surrogate pair"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b"1e400", id="a number that no float holds"),
    ],
)
@pytest.mark.parametrize("route", ROUTES[:4])
def test_bodies_made_to_hurt_are_malformed(fuzzed: Site, route: tuple[str, str], body: bytes) -> None:
    connection = UnixConnection(fuzzed.socket_path)
    connection.request(*route, body=body)
    assert connection.getresponse().status == 400
    connection.close()
