"""An ALISE in this process: configuration, database in a directory, and issuers whose answers are at hand."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from dte.alise.application import served_app
from dte.alise.core import Core
from dte.alise.keys import KeyHash
from dte.alise.load import load_alise
from dte.alise.opened import MIGRATIONS
from dte.alise.providers import providers_of
from dte.identity.http import JsonAnswer
from dte.runtime.database import Database
from dte.runtime.errors import Unavailable
from dte.runtime.migrations import upgrade
from tests.unit.web.asgi import Answer, ask

FAC, DEMO, EGI = (
    "https://op.hpc.example",
    "https://idp.example.org/realms/demo",
    "https://aai.egi.example/auth/realms/egi/",
)
CONFIG = f"""
[messages]
log_level = INFO

[database]
db_name = alise

[server]
public_url = https://alise.hpc.example
state_directory = {{directory}}

[auth.fac]
op_url = {FAC}
client_id = alise
client_secret = s3cr$$t
scopes = openid profile
internal = True
username_claim = preferred_username
uid_claim = uid_number
admin_entitlement = urn:mace:fac:admin#x
admin_entitlement_claim = eduperson_entitlement
services = fac:teapot

[auth.demo]
op_url = {DEMO}
client_id = alise-demo
client_secret = other
scopes = ["openid", "email"]

[auth.egi]
op_url = {EGI}
client_id = alise-egi
client_secret = third
"""
KEYS = {
    issuer: ECKey.generate_key("P-256", {"kid": f"k{number}", "use": "sig"})
    for number, issuer in enumerate((FAC, DEMO, EGI))
}


class StandInIssuers:
    """What all providers would answer; `down` ones do not. Obeys JsonClient's promises."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.asked: list[str] = []
        self.userinfo: dict[str, dict[str, Any]] = {}
        """By access token."""

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> JsonAnswer:
        self.asked.append(url)
        issuer = next(issuer for issuer in KEYS if url.startswith(issuer.rstrip("/") + "/"))
        if issuer in self.down:
            raise Unavailable(f"{url} did not answer")
        rest = url.removeprefix(issuer.rstrip("/"))
        if rest == "/.well-known/openid-configuration":
            return JsonAnswer(200, metadata(issuer))
        if rest == "/jwks":
            return JsonAnswer(200, {"keys": [KEYS[issuer].as_dict(private=False)]})
        token = (headers or {}).get("Authorization", "").removeprefix("Bearer ")
        return JsonAnswer(200, self.userinfo[token]) if token in self.userinfo else JsonAnswer(401, {})

    async def post_form(self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str]) -> JsonAnswer:
        raise Unavailable(f"{url} did not answer")


def metadata(issuer: str) -> dict[str, Any]:
    base = issuer.rstrip("/")
    ends = {
        "authorization_endpoint": "/auth",
        "token_endpoint": "/token",
        "jwks_uri": "/jwks",
        "userinfo_endpoint": "/me",
    }
    return {"issuer": issuer, **{name: base + end for name, end in ends.items()}}


def token(issuer: str = DEMO, sub: str = "a1b2", **claims: Any) -> str:
    """An access token, good for a day: longer than any run of tests."""
    whole = {"iss": issuer, "sub": sub, "exp": time.time() + 86400, "iat": time.time(), **claims}
    key = KEYS.get(issuer, KEYS[FAC])
    header = {"alg": "ES256", "kid": key.kid, "typ": "at+jwt"}
    return jwt.encode(header, {name: value for name, value in whole.items() if value is not None}, key, ["ES256"])


def unsigned(claims: Mapping[str, Any], alg: str = "none") -> str:
    parts = ({"alg": alg}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


class Site:
    """ALISE with its routes; `get` asks as a client does."""

    def __init__(self, directory: Path, config: str = CONFIG) -> None:
        self.config_file = directory / "alise.conf"
        self.config_file.write_text(config.format(directory=directory))
        settings = load_alise(self.config_file).settings
        self.providers = providers_of(settings)
        self.database = Database(settings.database_url())
        upgrade(self.database, MIGRATIONS)
        self.issuers = StandInIssuers()
        http: Any = dict.fromkeys(self.providers.by_name, self.issuers)
        self.core = Core(settings, self.providers, self.database, KeyHash(b"0123456789abcdef"), http)
        self.app = served_app(self.core)

    async def get(self, target: str, *, method: str = "GET", peer: str | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await ask(self.app, target, method=method, headers=named, peer=peer)

    def close(self) -> None:
        self.database.close()
