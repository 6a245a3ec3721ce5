"""The real daemon as its own process on sockets handed over as systemd does, and clients with certificates."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml

from tests.integration.interlink_api.pki import Authority, Pair, client_context

DTE = Path(sys.executable).with_name("dte")
READY_LIMIT_S = 30.0
STOP_LIMIT_S = 30.0

# Gives descriptor argv[1] the number 3 and this process's id to the daemon, then becomes it (sd_listen_fds(3)).
_HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str
    headers: Mapping[str, str]


class Client:
    """A virtual kubelet's HTTP: one identity towards the API."""

    def __init__(self, base: str, *, owner: str | None, connector: aiohttp.BaseConnector) -> None:
        self._base = base
        headers = {} if owner is None else {"InterLink-Owner": owner, "InterLink-Node": owner.split("/")[-1]}
        self.session = aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=30)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`body`: bytes as they are, anything else as JSON."""
        data: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self.session.request(method, self._base + path, headers=headers, **data) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def until_served(self) -> None:
        async with asyncio.timeout(READY_LIMIT_S):
            while (await self.call("GET", "/status", [])).status != 200:
                await asyncio.sleep(0.05)

    def open(self, method: str, path: str, body: Any) -> Any:
        """The answer while it arrives: an async context manager that gives aiohttp's response."""
        return self.session.request(method, self._base + path, json=body)


class Site:
    """One API with its files, certificates and sockets; start and stop it as often as the test needs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory, "federation-ca")
        self.stranger = Authority(directory, "stranger-ca")
        self.server = self.authority.server("api")
        self.config_file = directory / "interlink-api.yaml"
        self.log_file = directory / "api.log"
        self.process: asyncio.subprocess.Process | None = None
        self.admin_port = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.socket_path = directory / "api.sock"

    def plugin_path(self, account: str) -> Path:
        return self.directory / f"{account}.sock"

    def configure(self, **changes: Any) -> None:
        """Write the file: TLS on our port, accounts twin01 (climate) and twin02 (physics)."""
        whole = {
            "InterlinkAddress": "https://127.0.0.1",
            "InterlinkPort": self.port,
            "TLS": {
                "Enabled": True,
                "CertFile": str(self.server.certificate),
                "KeyFile": str(self.server.key),
                "CACertFile": str(self.authority.ca),
            },
            "Accounts": [
                {"Name": "twin01", "Socket": str(self.plugin_path("twin01")), "Namespaces": ["climate"]},
                {"Name": "twin02", "Socket": str(self.plugin_path("twin02")), "Namespaces": ["physics"]},
            ],
            "StateDirectory": str(self.directory / "state"),
            "Admin": {"Listen": f"unix://{self.directory}/admin.sock"},
            **changes,
        }
        self.config_file.write_text(yaml.safe_dump({key: item for key, item in whole.items() if item is not None}))

    def listen_on_unix_socket(self, **changes: Any) -> None:
        """Like configure, but the daemon binds a unix socket itself."""
        self.configure(InterlinkAddress=f"unix://{self.socket_path}", InterlinkPort=None, TLS=None, **changes)

    async def start(self) -> None:
        """Returns when the daemon says READY=1."""
        with _ready_socket(self.directory / "notify.sock") as notify:
            environ = {**os.environ, "NOTIFY_SOCKET": str(self.directory / "notify.sock")}
            with self.log_file.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-c",
                    _HAND_OVER,
                    str(self._listener.fileno()),
                    str(DTE),
                    "interlink-api",
                    "serve",
                    "--config",
                    str(self.config_file),
                    env=environ,
                    pass_fds=(self._listener.fileno(),),
                    stderr=log,
                )
            ready = asyncio.create_task(_received(notify, b"READY=1"))
            ended = asyncio.create_task(self.process.wait())
            await asyncio.wait((ready, ended), timeout=READY_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
            is_ready = ready.done()
            for task in (ready, ended):
                task.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)
            assert is_ready, self.log_file.read_text()

    async def start_heard(self) -> None:
        """Returns when it serves, which it does not before it has heard all sidecars of an empty table."""
        await self.start()
        async with self.client("vk.vega") as client:
            await client.until_served()

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        return await self.ended()

    async def kill(self) -> None:
        """What a power cut does."""
        assert self.process is not None
        self.process.kill()
        await self.ended()

    async def ended(self) -> int:
        assert self.process is not None
        async with asyncio.timeout(STOP_LIMIT_S):
            return await self.process.wait()

    async def close(self) -> None:
        if self.process is not None and self.process.returncode is None:
            await self.kill()
        self._listener.close()

    def client(self, name: str, *, owner: str | None = "cluster/node1", pair: Pair | None = None) -> Client:
        """A virtual kubelet with the certificate `CN=name` of the federation's CA, or with `pair`."""
        context = client_context(self.authority.ca, pair or self.authority.client(name))
        return Client(f"https://127.0.0.1:{self.port}", owner=owner, connector=aiohttp.TCPConnector(ssl=context))

    def client_without_certificate(self) -> Client:
        context = client_context(self.authority.ca, None)
        return Client(f"https://127.0.0.1:{self.port}", owner=None, connector=aiohttp.TCPConnector(ssl=context))

    def unix_client(self, *, owner: str | None = None) -> Client:
        return Client("http://api", owner=owner, connector=aiohttp.UnixConnector(str(self.socket_path)))

    async def admin(self, path: str) -> Answer:
        connector = aiohttp.UnixConnector(str(self.directory / "admin.sock"))
        async with Client("http://admin", owner=None, connector=connector) as client:
            return await client.call("GET", path, b"")


@contextlib.contextmanager
def _ready_socket(path: Path) -> Any:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.setblocking(False)
        yield notify


async def _received(notify: socket.socket, wanted: bytes) -> None:
    while await asyncio.get_running_loop().sock_recv(notify, 1024) != wanted:
        pass


@contextlib.asynccontextmanager
async def running(directory: Path, **changes: Any) -> AsyncIterator[Site]:
    """A site that serves over TLS until the block ends."""
    site = Site(directory)
    site.configure(**changes)
    try:
        await site.start()
        yield site
    finally:
        await site.close()
