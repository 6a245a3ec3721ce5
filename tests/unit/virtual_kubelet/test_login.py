"""The login to the cluster: files that change, logins that are refused, and clusters that are others."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import yaml
from aiohttp import web

from dte.interlink.virtual_kubelet.cluster import Cluster
from dte.interlink.virtual_kubelet.login import LOOK_INTERVAL_S, api_client, follow_kubeconfig
from dte.interlink.virtual_kubelet.times import SystemClock
from dte.runtime.errors import ConfigError, Unavailable
from tests.unit.virtual_kubelet.fakes import FakeClock


class Server:
    """An API server that knows one token at a time."""

    def __init__(self):
        self.token = "first"
        self.cluster_id = "uid"
        self.url = ""

    async def handle(self, request):
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"message": "Unauthorized"}, status=401)
        return web.json_response({"metadata": {"uid": self.cluster_id}})

    def write(self, path, **user):
        path.write_text(
            yaml.safe_dump(
                {
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": self.url}}],
                    "users": [{"name": "u", "user": user}],
                }
            )
        )


@asynccontextmanager
async def following(kubeconfig, **user):
    """A server, a cluster logged in there, and a clock for whoever follows the file."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server.write(kubeconfig, **user)
    clock = FakeClock()
    try:
        async with api_client(kubeconfig) as api:
            cluster = Cluster(api, "vk")
            await cluster.cluster_id()
            task = asyncio.create_task(follow_kubeconfig(cluster, kubeconfig, clock))
            while not clock.is_waited_for:  # the first look at the files, in a thread
                await asyncio.sleep(0.01)
            yield server, cluster, clock
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await runner.cleanup()


async def look(clock):
    """Let it look at the files once, with threads and sockets, until it waits for the next time."""
    await clock.advance(LOOK_INTERVAL_S)
    while not clock.is_waited_for:
        await asyncio.sleep(0.01)


async def is_known(cluster):
    """Whether the API server takes the login."""
    try:
        return await cluster.cluster_id() == "uid"
    except Unavailable:
        return False


@pytest.mark.parametrize("by_file", [False, True], ids=["token", "tokenFile"])
async def test_a_new_token_is_used_once_it_is_written(tmp_path, by_file):
    token = tmp_path / "token"
    token.write_text("first")
    user = {"tokenFile": str(token)} if by_file else {"token": "first"}
    async with following(tmp_path / "kubeconfig", **user) as (server, cluster, clock):
        server.token = "second, longer"
        token.write_text("second, longer")
        if not by_file:
            server.write(tmp_path / "kubeconfig", token="second, longer")
        assert not await is_known(cluster)
        await look(clock)
        assert await is_known(cluster)
        assert not cluster.is_login_refused


async def test_a_refused_login_is_made_anew_though_no_file_changed(tmp_path):
    """As where the kubeconfig names a program that fetches tokens."""
    async with following(tmp_path / "kubeconfig", token="first") as (server, cluster, clock):
        server.token = "second"
        assert not await is_known(cluster)
        await look(clock)
        assert cluster.is_login_refused
        server.token = "first"
        await look(clock)
        assert not cluster.is_login_refused


async def test_a_file_that_leads_to_another_cluster_is_not_used(tmp_path):
    async with (
        following(tmp_path / "kubeconfig", token="first") as (server, cluster, clock),
        following(tmp_path / "other", token="first") as (another, _, _),
    ):
        another.cluster_id = "other"
        another.write(tmp_path / "kubeconfig", token="first")
        await look(clock)
        server.token = "nobody's"
        assert not await is_known(cluster)
        another.cluster_id = "uid"
        await look(clock)
        assert await is_known(cluster)


async def test_a_broken_file_keeps_the_login_until_it_is_whole(tmp_path):
    async with following(tmp_path / "kubeconfig", token="first") as (server, cluster, clock):
        (tmp_path / "kubeconfig").write_text("users: [")
        await look(clock)
        assert await is_known(cluster)
        server.token = "second"
        server.write(tmp_path / "kubeconfig", token="second")
        await look(clock)
        assert await is_known(cluster)


@pytest.mark.parametrize("text", ["users: [", "[]", "users: 5", "\\x00", "current-context: c"])
async def test_a_start_with_a_broken_file_says_which(tmp_path, text):
    (tmp_path / "kubeconfig").write_text(text)
    with pytest.raises(ConfigError, match="KubeconfigFile: "):
        async with api_client(tmp_path / "kubeconfig"):
            pass


async def test_the_system_clock_counts_up():
    clock = SystemClock()
    first = clock.monotonic()
    await clock.wait(asyncio.Event(), 0.001)
    assert clock.monotonic() > first
