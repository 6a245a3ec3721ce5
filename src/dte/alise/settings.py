"""The configuration file as a typed model: upstream's keys, and ours in `[server]` and where said."""

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from sqlalchemy.engine import URL

from dte.alise.ini import as_bool, as_list
from dte.runtime.address import Address, TcpAddress, is_loopback, parse_address
from dte.runtime.database import database_url, sqlite_url
from dte.runtime.errors import ConfigError
from dte.runtime.settings import AdminSettings, Settings, TlsSettings

Words = Annotated[tuple[str, ...], BeforeValidator(as_list)]
YesNo = Annotated[bool, BeforeValidator(as_bool)]

PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
RESERVED_SITES = frozenset({"api", "oauth2", "static", "target", "privacy.html", "favicon.ico", "openapi.json"})
"""First segments of our own paths."""
GOOGLE = "https://accounts.google.com"
GOOGLE_NAME = "google-oauth2"
"""Whatever its section is called: its redirect URI is registered under this name at sites that run upstream's ALISE."""
MAX_ISSUER_LENGTH = 2048
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")


class MessagesSettings(Settings):
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """The least that is logged."""
    log_file: str = ""
    """Upstream's; not used: lines go to standard error, which systemd keeps and rotates."""


class DatabaseSettings(Settings):
    db_name: str = Field(default="alise", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    """The SQLite file is `DB_NAME.sqlite3` in `state_directory`."""
    url: str = ""
    """Ours: `postgresql://USER@HOST/DATABASE` instead. Keep a password out of it: see url_file."""
    url_file: Path | None = None
    """Ours: a file that holds the URL with its password."""

    @field_validator("url")
    @classmethod
    def _served(cls, value: str) -> str:
        if value:
            database_url(value)
        return value


class OidcSettings(Settings):
    oidc_config: str = ""
    """Of the release of 2023; not used."""


class ProviderSettings(Settings):
    """One `[auth.NAME]` section: an OpenID provider. An internal one is a site."""

    op_url: str
    """Issuer, as its tokens spell it."""
    op_config_url: str = ""
    """Where its discovery document lies, if not below the issuer."""
    client_id: str = Field(min_length=1)
    client_secret: str = Field(default="", repr=False)
    client_secret_file: Path | None = None
    """Ours: a file that holds the secret; wins over client_secret."""
    scopes: Words = ("openid",)
    """Asked for at a login; `openid` is added."""
    internal: YesNo = False
    """Makes this provider a site: its users are the local accounts."""
    username_claim: str = Field(default="sub", min_length=1)
    """Claim that holds the local account's name (internal providers)."""
    uid_claim: str = ""
    """Ours: claim with the account's number, given to services as `uid`."""
    gid_claim: str = ""
    """Ours: claim with the number of its primary group, given as `gid`."""
    ignore_ssl_errors: YesNo = False
    """Refused when true: use ca_file."""
    ca_file: Path | None = None
    """Ours: PEM bundle of the authority that signs this provider's certificate."""
    claims: Words = ()
    """Upstream reads and does not use it; neither do we."""
    admin_entitlement: Words = ()
    """Values that make a user of this provider an administrator: of its own site, or of all if it is external."""
    admin_entitlement_claim: str = ""
    """Claim compared with them, cut at `#`."""
    display_name: str = ""
    """Ours: how pages call the provider; its NAME otherwise."""
    services: Words = ()
    """Ours, internal providers: `NAME:CLIENT` of services that may ask about this site with their own access token."""
    token_endpoint_auth_method: Literal["", "client_secret_basic", "client_secret_post"] = ""
    """Ours: how the client proves itself. Empty: what the provider announces, Basic first."""

    @field_validator("op_url", "op_config_url")
    @classmethod
    def _https(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.field_name == "op_config_url":
            return value
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or not value.isascii():
            raise ValueError("must be https://HOST[/PATH]")
        if len(value) > MAX_ISSUER_LENGTH:
            raise ValueError(f"longer than {MAX_ISSUER_LENGTH} characters")
        return value

    @field_validator("ignore_ssl_errors")
    @classmethod
    def _verified(cls, value: bool) -> bool:
        if value:
            raise ValueError("certificates are always verified: set ca_file to the PEM of the provider's authority")
        return value


class ServerSettings(Settings):
    """Ours: what upstream leaves to gunicorn and the directory it is started in."""

    listen: str = "127.0.0.1:8000"
    """`HOST:PORT` or `unix:///PATH`. Beyond loopback it needs tls_cert_file."""
    public_url: str = ""
    """`https://HOST[:PORT]` under which browsers and providers see it. Empty: what each request's Host says."""
    state_directory: Path = Path("/var/lib/dte/alise")
    """Holds the SQLite file and the secret that keys are hashed with. On a local disk."""
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    admin_listen: str = "127.0.0.1:0"
    """Health and metrics."""
    audience: Words = ()
    """`aud` of access tokens made for us. Empty: tokens of services need public_url, those of users are not checked."""
    token_algorithms: Words = ("RS256", "ES256")
    """Signatures that are accepted."""
    key_hash_secret_file: Path | None = None
    """Secret of at least 16 bytes that API keys are hashed with. Set it when several instances share a database."""
    key_lifetime_days: int = Field(default=0, ge=0, le=36500)
    """Of keys made through the JSON interface; 0 is without end."""
    session_lifetime_s: int = Field(default=900, ge=60, le=86400)
    """How long a login lasts."""
    contact: str = ""
    """Shown on every page and in errors: whom a user may ask."""
    icons_directory: Path | None = None
    """Holds NAME.svg for providers that shall have an icon. Read at start."""
    privacy_file: Path | None = None
    """Text of the privacy page, paragraphs separated by empty lines."""
    max_requests: int = Field(default=256, ge=1, le=100_000)
    """Served at once; more are told to come again (503)."""
    stop_timeout_s: float = Field(default=20.0, ge=0, le=300)
    """Requests in flight get this long after SIGTERM."""

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        parse_address(value)
        return value

    @field_validator("public_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/") or parts.query):
            raise ValueError("must be https://HOST[:PORT], without a path")
        return value.rstrip("/")

    @field_validator("token_algorithms")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - set(ALGORITHMS):
            raise ValueError(f"may name {', '.join(ALGORITHMS)}")
        return value

    @model_validator(mode="after")
    def _encrypted(self) -> "ServerSettings":
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together")
        address = parse_address(self.listen)
        if isinstance(address, TcpAddress) and self.tls_cert_file is None and not is_loopback(address.host):
            raise ValueError(
                "keys and cookies would travel in clear: set tls_cert_file, or listen on loopback behind nginx"
            )
        return self

    def address(self) -> Address:
        return parse_address(self.listen)

    def tls(self) -> TlsSettings | None:
        """None when another program does TLS."""
        if self.tls_cert_file is None:
            return None
        return TlsSettings(Enabled=True, CertFile=self.tls_cert_file, KeyFile=self.tls_key_file)

    def admin(self) -> AdminSettings:
        return AdminSettings(Listen=self.admin_listen)


class AliseSettings(Settings):
    """Read once at start; nothing else reads files or the environment."""

    messages: MessagesSettings = MessagesSettings()
    database: DatabaseSettings = DatabaseSettings()
    oidc: OidcSettings = OidcSettings()
    server: ServerSettings = ServerSettings()
    auth: dict[str, ProviderSettings] = Field(default={}, validate_default=True)
    """By name, in the order of the file."""

    @field_validator("auth")
    @classmethod
    def _usable(cls, items: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
        problems = list(_provider_problems(items))
        if problems:
            raise ValueError("; ".join(problems))
        return {GOOGLE_NAME if item.op_url.startswith(GOOGLE) else name: item for name, item in items.items()}

    def log_level(self) -> int:
        return logging.getLevelNamesMapping()[self.messages.log_level]

    def database_url(self) -> URL:
        """Raises ConfigError for what `url_file` holds."""
        if self.database.url_file is None:
            if self.database.url:
                return database_url(self.database.url)
            return sqlite_url(self.server.state_directory / f"{self.database.db_name}.sqlite3")
        try:
            return database_url(self.database.url_file.read_text().strip())
        except (OSError, ValueError) as error:
            raise ConfigError([f"database.url_file: {error}"]) from None


def _provider_problems(items: dict[str, ProviderSettings]) -> Iterable[str]:
    if not any(item.internal for item in items.values()):
        yield "no section [auth.NAME] has internal = true: there is no site whose accounts could be linked"
    seen: dict[str, str] = {}
    for name, item in items.items():
        if not PROVIDER_NAME.fullmatch(name):
            yield f"{name!r} cannot be a provider's name: letters, digits, dot, hyphen and underscore only"
        if item.internal and name in RESERVED_SITES:
            yield f"{name} cannot be a site's name: it is a path of ours"
        issuer = item.op_url.removesuffix("/")
        if not item.internal and issuer in seen:
            yield f"{name} and {seen[issuer]} have the same op_url: an identity would belong to both"
        if not item.internal:
            seen[issuer] = name
        for service in item.services:
            if service.partition(":")[0] not in items or not service.partition(":")[2]:
                yield f"{name}.services: {service!r} must be NAME:CLIENT, with the NAME of a section [auth.NAME]"
