"""A real ALISE over TLS beside real OpenID providers, and browsers that log in without a screen."""

import contextlib
import html
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
from joserfc.jwk import RSAKey

from tests.integration.interlink_api.pki import Authority
from tests.lab.identity_provider import IdentityProvider

DTE = Path(sys.executable).with_name("dte")
READY_LIMIT_S = 60.0
FAC_SECRET, DEMO_SECRET = "s3cr:t+/%&=", "another-secret"
"""The first breaks clients that forget to form-encode before Base64."""
USERS: dict[str, dict[str, Any]] = {
    "alice": {"preferred_username": "alice1", "uid_number": 1001},
    "bob": {"preferred_username": "bob1"},
    "root": {"preferred_username": "admin1", "eduperson_entitlement": ["urn:x:alise:admin#authority"]},
    "markup": {"preferred_username": "mark1", "name": "<script>alert(1)</script>"},
}


SERVICE = {
    "client_id": "teapot",
    "client_secret": "x",
    "token_endpoint_auth_method": "client_secret_basic",
    "grant_types": ["client_credentials"],
    "response_types": [],
    "redirect_uris": [],
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class World:
    """Providers `fac` (internal) and `demo`, one ALISE, in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        authority = Authority(directory, "ca")
        self.ca = authority.ca
        self._pair = authority.server("localhost")
        self.fac, self.demo = (f"https://localhost:{free_port()}" for _ in range(2))
        self._port = free_port()
        self.url = f"https://localhost:{self._port}"
        self.log_file = directory / "alise.log"
        self.config_file = directory / "alise.conf"
        self.providers = IdentityProvider(directory)
        self.keys = [signing_key("first")]
        self._process: subprocess.Popen[bytes] | None = None
        self.configure()

    @property
    def database(self) -> Path:
        return self.directory / "state" / "alise.sqlite3"

    def configure(self, **server: str) -> None:
        (self.directory / "fac-secret").write_text(FAC_SECRET + "\n")
        lines = {
            "listen": f"127.0.0.1:{self._port}",
            "public_url": self.url,
            "state_directory": self.directory / "state",
            "tls_cert_file": self._pair.certificate,
            "tls_key_file": self._pair.key,
            "admin_listen": f"unix://{self.directory}/admin.sock",
            "contact": "help@hpc.example",
            **server,
        }
        text = "".join(f"{key} = {value}\n" for key, value in lines.items())
        self.config_file.write_text(
            f"[server]\n{text}\n[auth.fac]\nop_url = {self.fac}\nclient_id = alise\n"
            f"client_secret_file = {self.directory}/fac-secret\nscopes = openid profile email\ninternal = True\n"
            f"username_claim = preferred_username\nca_file = {self.ca}\ndisplay_name = The Facility\n"
            "admin_entitlement = urn:x:alise:admin\nadmin_entitlement_claim = eduperson_entitlement\n"
            "services = fac:teapot\n"
            f"[auth.demo]\nop_url = {self.demo}\nclient_id = alise-demo\nclient_secret = {DEMO_SECRET}\n"
            f"scopes = openid profile\nca_file = {self.ca}\ndisplay_name = Demo\n"
        )

    def start_providers(self) -> None:
        keys = [key.as_dict(private=True) for key in self.keys]
        common = {"keys": keys, "users": USERS}
        clients = {
            self.fac: [self._web_client("fac", "alise", FAC_SECRET), SERVICE],
            self.demo: [self._web_client("demo", "alise-demo", DEMO_SECRET)],
        }
        providers = [
            {"issuer": url, "port": int(url.rpartition(":")[2]), "clients": known, **common}
            for url, known in clients.items()
        ]
        self.providers.start({"cert": str(self._pair.certificate), "key": str(self._pair.key), "providers": providers})

    def _web_client(self, name: str, client_id: str, secret: str) -> dict[str, Any]:
        return {
            "client_id": client_id,
            "client_secret": secret,
            "token_endpoint_auth_method": "client_secret_basic",
            "redirect_uris": [f"{self.url}/oauth2/{name}/token"],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
        }

    def start(self) -> None:
        """Returns when the daemon says READY=1."""
        path = self.directory / "notify.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, self.log_file.open("ab") as log:
            notify.bind(str(path))
            notify.settimeout(READY_LIMIT_S)
            self._process = subprocess.Popen(
                [DTE, "alise", "serve", "--config", self.config_file],
                env={**os.environ, "NOTIFY_SOCKET": str(path)},
                stderr=log,
            )
            assert notify.recv(100) == b"READY=1", self.log_file.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def close(self) -> None:
        self.providers.stop()
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGKILL)

    def command(self, *arguments: str) -> str:
        """`dte alise ARGUMENTS --config FILE`; its standard output."""
        done = subprocess.run(
            [DTE, "alise", *arguments, "--config", self.config_file], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sql(self, statement: str, *values: object) -> list[Any]:
        """What an attacker cannot do and a test must: change a row, look at one."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as database, database:
            return database.execute(statement, values).fetchall()

    @contextlib.asynccontextmanager
    async def browser(self) -> AsyncIterator["Browser"]:
        context = ssl.create_default_context(cafile=str(self.ca))
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context), timeout=aiohttp.ClientTimeout(total=60)
        ) as session:
            yield Browser(self, session)


def signing_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    url: str
    text: str
    headers: Mapping[str, str]

    def field(self, name: str) -> str:
        """The value of the first hidden field of that name."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, self.text
        return html.unescape(found[1])


class Browser:
    """Cookies, redirects, and the provider's forms."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self.world = world
        self.session = session

    async def get(self, path: str, *, follow: bool = True, **headers: str) -> Page:
        return await self._ask("GET", path, None, follow, headers)

    async def post(self, path: str, form: Mapping[str, str], *, follow: bool = True, **headers: str) -> Page:
        return await self._ask("POST", path, form, follow, headers)

    async def _ask(
        self, method: str, path: str, form: Mapping[str, str] | None, follow: bool, headers: Mapping[str, str]
    ) -> Page:
        named = {"Accept": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}
        url = urljoin(self.world.url, path)
        async with self.session.request(method, url, data=form, headers=named, allow_redirects=follow) as response:
            where = response.headers.get("Location", str(response.url)) if not follow else str(response.url)
            return Page(response.status, where, await response.text(), response.headers)

    async def to_callback(self, page: Page, subject: str) -> str:
        """Log in as `subject` at the provider whose page this is; the callback's address, not yet asked for."""
        url = page.url
        while not url.startswith(self.world.url):
            if page.status in (302, 303):
                url = urljoin(url, page.url)
                if url.startswith(self.world.url):
                    break
                page = await self.get(url, follow=False)
                continue
            form = {"prompt": page.field("prompt"), "login": subject, "password": "x"}
            action = re.search(r'action="([^"]+)"', page.text)
            assert action, page.text
            url = action[1]
            page = await self.post(url, form, follow=False)
        return url

    async def log_in(self, subject: str, path: str = "/fac") -> Page:
        """The page after a login at the facility."""
        page = await self.get(path)
        return await self.get(await self.to_callback(page, subject))

    async def begin_link(self, subject: str) -> str:
        """The callback's address that would link the demo identity `subject`."""
        account = await self.get("/fac")
        page = await self.post("/fac/link/demo", {"csrf": account.field("csrf")})
        return await self.to_callback(page, subject)

    async def link(self, subject: str) -> Page:
        return await self.get(await self.begin_link(subject))
