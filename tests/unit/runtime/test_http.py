"""The shell around a service: ids, bounds, errors as answers."""

import asyncio

import pytest
import structlog
from aiohttp import ClientError, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from dte.runtime.errors import BadOutput, Conflict, Malformed, NotFound, Refused, Unavailable
from dte.runtime.http import CutAtStop, application, request_id


async def client_of(app: web.Application) -> TestClient:
    client = TestClient(TestServer(app))
    await client.start_server()
    return client


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Malformed("m"), 400),
        (NotFound("n"), 404),
        (Conflict("c"), 409),
        (Refused("r"), 422),
        (BadOutput("b"), 502),
        (Unavailable("u"), 503),
        (web.HTTPForbidden(text="f"), 403),
    ],
)
async def test_an_error_is_an_answer_with_its_text(error: Exception, status: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        raise error

    app = application()
    app.router.add_get("/", handler)
    client = await client_of(app)
    answer = await client.get("/")
    assert (answer.status, await answer.text()) == (status, str(error) if len(str(error)) == 1 else "f")
    assert ("Retry-After" in answer.headers) == (status == 503)
    await client.close()


async def test_an_own_wish_for_the_next_try_reaches_the_caller() -> None:
    async def handler(_: web.Request) -> web.Response:
        raise Unavailable("drained", retry_after_s=59.5)

    app = application()
    app.router.add_get("/", handler)
    client = await client_of(app)
    assert (await client.get("/")).headers["Retry-After"] == "60"
    await client.close()


async def test_a_bug_is_a_500_without_its_stack() -> None:
    async def handler(_: web.Request) -> web.Response:
        raise ZeroDivisionError("secret detail")

    app = application()
    app.router.add_get("/", handler)
    client = await client_of(app)
    answer = await client.get("/")
    assert answer.status == 500
    assert "secret detail" not in await answer.text()
    await client.close()


@pytest.mark.parametrize(("sent", "kept"), [("CreatePod#7", True), ("", False), ("x" * 201, False)])
async def test_the_callers_request_id_is_kept_when_it_is_usable(sent: str, kept: bool) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request_id(request))

    app = application(request_id_header="InterLink-Http-Session")
    app.router.add_get("/", handler)
    client = await client_of(app)
    got = await (await client.get("/", headers={"InterLink-Http-Session": sent})).text()
    assert (got == sent) is kept
    assert kept or got.startswith("Request-")
    await client.close()


async def test_a_body_over_the_limit_is_413() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = application(max_body_bytes=1000)
    app.router.add_post("/", handler)
    client = await client_of(app)
    assert (await client.post("/", data=b"x" * 1001)).status == 413
    assert (await client.post("/", data=b"x" * 1000)).status == 200
    await client.close()


async def test_one_request_too_many_is_told_to_come_again() -> None:
    release = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    app = application(max_requests=1)
    app.router.add_get("/", handler)
    client = await client_of(app)
    first = asyncio.create_task(client.get("/"))
    while (await client.get("/missing")).status == 404:  # takes no place once the first one has it
        await asyncio.sleep(0.01)
    assert (await client.get("/")).status == 503
    release.set()
    assert (await first).status == 200
    await client.close()


async def test_an_answer_without_an_end_is_cut_at_a_stop_and_not_waited_for() -> None:
    app = application()
    cut_at_stop = CutAtStop(app)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun\n")
        with cut_at_stop.endless(request):
            await asyncio.Event().wait()
        return response

    app.router.add_get("/", endless)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=60)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/") as answer:
        assert await answer.content.readline() == b"begun\n"
        async with asyncio.timeout(10):
            await runner.cleanup()
        with pytest.raises(ClientError):
            await answer.content.read()


@pytest.mark.parametrize(
    ("path", "status", "level"), [("/often", 200, "debug"), ("/often", 422, "info"), ("/seldom", 200, "info")]
)
async def test_what_is_asked_every_few_seconds_is_logged_only_when_it_goes_wrong(
    path: str, status: int, level: str
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = application(quiet_paths=frozenset({"/often"}))
    app.router.add_get(path, handler)
    client = await client_of(app)
    with structlog.testing.capture_logs() as lines:
        await client.get(path)
    assert [line["log_level"] for line in lines if line["event"] == "request"] == [level]
    await client.close()
