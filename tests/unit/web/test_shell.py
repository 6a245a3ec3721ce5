"""The shell around ASGI applications: what it adds, bounds, and never says."""

import asyncio
from typing import Any

import pytest
import structlog
from fastapi import FastAPI, Request
from structlog.testing import capture_logs

from dte.runtime.errors import Conflict, Unavailable
from dte.runtime.web import new_app
from dte.runtime.web.raw_path import with_raw_path
from dte.runtime.web.shell import Limits, client_address, in_shell
from tests.unit.web.asgi import ask


@pytest.fixture
def app() -> FastAPI:
    made = new_app()

    @made.get("/items/{name}")
    async def item(name: str) -> str:
        return name

    @made.post("/body")
    async def body(request: Request) -> int:
        return len(await request.body())

    @made.get("/fail/{how}")
    async def fail(how: str) -> None:
        await FAILURES[how](60)

    return made


def _raise(error: Exception) -> Any:
    async def fail(_: float) -> None:
        raise error

    return fail


FAILURES = {
    "conflict": _raise(Conflict("taken")),
    "away": _raise(Unavailable("later")),
    "bug": _raise(KeyError("x")),
    "slow": asyncio.sleep,
}


async def test_the_callers_request_id_comes_back_and_is_in_every_line(app: FastAPI) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        status, headers, _ = await ask(in_shell(app), "/items/a", headers={"X-Request-Id": "r-1"})
    assert (status, headers["x-request-id"]) == (200, "r-1")
    assert [(line["event"], line["request_id"]) for line in lines] == [("request", "r-1")]


async def test_the_log_line_has_the_pattern_and_no_value_of_path_or_query(app: FastAPI) -> None:
    with capture_logs() as lines:
        await ask(in_shell(app), "/items/person?apikey=secret")
        await ask(in_shell(app), "/nowhere/secret")
    assert [line["route"] for line in lines] == ["/items/{name}", "unknown"]
    assert "secret" not in str(lines)
    assert "person" not in str(lines)


@pytest.mark.parametrize(
    ("how", "status", "text"),
    [
        pytest.param("conflict", 409, "taken", id="refused"),
        pytest.param("away", 503, "later", id="unavailable"),
        pytest.param("bug", 500, "internal error", id="a fault of ours shows no stack"),
        pytest.param("slow", 503, "too long", id="too slow"),
    ],
)
async def test_errors_are_answers(app: FastAPI, how: str, status: int, text: str) -> None:
    with capture_logs():
        answer = await ask(in_shell(app, limits=Limits(seconds=0.05)), f"/fail/{how}")
    assert answer[0] == status
    assert text in answer[2]
    assert ("retry-after" in answer[1]) == (status == 503)


@pytest.mark.parametrize("headers", [{"Content-Length": "101"}, {}], ids=["announced", "chunked"])
async def test_a_large_body_is_refused(app: FastAPI, headers: dict[str, str]) -> None:
    shell = in_shell(app, limits=Limits(body_bytes=100))
    assert (await ask(shell, "/body", method="POST", headers=headers, body=b"x" * 101))[0] == 413
    assert (await ask(shell, "/body", method="POST", body=b"x" * 100))[2] == "100"


async def test_large_headers_and_addresses_are_refused(app: FastAPI) -> None:
    assert (await ask(in_shell(app), "/items/a", headers={"X": "x" * 40_000}))[0] == 431
    assert (await ask(in_shell(app), "/items/" + "a" * 20_000))[0] == 414


async def test_a_request_beyond_the_bound_is_told_to_come_again(app: FastAPI) -> None:
    shell = in_shell(app, limits=Limits(requests=1, seconds=0.2))
    answers = await asyncio.gather(ask(shell, "/fail/slow"), ask(shell, "/items/a"))
    assert [answer[0] for answer in answers] == [503, 503]
    assert "too many requests" in answers[1][2]
    assert (await ask(shell, "/items/a"))[0] == 200


async def test_raw_paths_are_split_before_they_are_decoded() -> None:
    app = new_app()

    @app.get("/api/{one}/{two}")
    async def both(one: str, two: str) -> list[str]:
        return [one, two]

    shell = in_shell(with_raw_path(app, "/api/"))
    assert (await ask(shell, "/api/a%2Fb/c%20d"))[2] == '["a%2Fb","c%20d"]'


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        pytest.param(None, ["198.51.100.7, 192.0.2.1"], "192.0.2.1", id="the proxy's own word is the last"),
        pytest.param("127.0.0.1", ["192.0.2.1"], "192.0.2.1", id="a proxy on loopback"),
        pytest.param("203.0.113.9", ["192.0.2.1"], "203.0.113.9", id="a stranger's word is not believed"),
        pytest.param(None, [], "local", id="no proxy"),
        pytest.param("127.0.0.1", ["x" * 99], "127.0.0.1", id="nonsense"),
    ],
)
def test_the_client_is_who_the_proxy_saw(peer: str | None, forwarded: list[str], seen: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert client_address({"client": (peer, 1) if peer else None, "headers": headers}) == seen
