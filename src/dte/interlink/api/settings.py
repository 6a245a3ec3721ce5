"""The interLink API's configuration file: upstream's keys, and ours for accounts and bounds."""

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from dte.interlink.api.accounts import ANY, Account, shared_rules
from dte.interlink.api.job_config import JobScriptBuildSettings
from dte.interlink.upstream_keys import UPSTREAM_KEYS
from dte.runtime.address import Address, TcpAddress, UnixAddress, is_on_this_host, parse_address
from dte.runtime.settings import AdminSettings, Settings, TlsSettings

SINGLE_ACCOUNT = "default"
"""The name of the one account that SidecarURL gives, in logs and metrics."""

_PATTERN = re.compile(r"[a-z0-9.\-*?\[\]!]+")


def _pattern(value: str) -> str:
    if not _PATTERN.fullmatch(value):
        raise ValueError("must be a name in lower case, with * ? [abc] as wildcards")
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]


class AccountSettings(Settings):
    """One item of `Accounts`: a local account, its sidecar's socket and whose pods run as it."""

    name: str = Field(alias="Name", pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")
    socket: Path = Field(alias="Socket")
    """The unix socket of the account's sidecar: an absolute path, with or without `unix://` before it."""
    namespaces: list[Pattern] = Field(alias="Namespaces", min_length=1)
    """Kubernetes namespaces, exact or as fnmatch patterns. A pattern belongs to one account."""
    service_accounts: list[Pattern] = Field(default=[ANY], alias="ServiceAccounts", min_length=1)
    """Service accounts of those namespaces, exact or as patterns. Set it when namespaces are shared by accounts."""

    list_bodies: bool = Field(default=False, alias="ListBodies")
    """For a plugin of a release before 0.5 (Docker, HTCondor): the body of a create is a list of one."""

    @field_validator("socket", mode="before")
    @classmethod
    def _socket_path(cls, value: object) -> object:
        path = str(value).removeprefix("unix://")
        if not path.startswith("/"):
            raise ValueError("must be the absolute path of a unix socket")
        return path

    def account(self) -> Account:
        return Account(
            self.name,
            UnixAddress(self.socket),
            tuple(self.namespaces),
            tuple(self.service_accounts),
            self.list_bodies,
        )


class ApiSettings(Settings):
    """Read once at start; nothing else reads files or the environment.

    A validator sees the fields that stand before its own: the order below matters.
    """

    accepted_keys: ClassVar[frozenset[str]] = UPSTREAM_KEYS

    tls: TlsSettings = Field(default=TlsSettings(), alias="TLS")
    """Server certificate, and with CACertFile the CA of the clients. A TCP listener needs all three files."""
    interlink_port: int | None = Field(default=None, alias="InterlinkPort", ge=1, le=65535)
    """Port, when InterlinkAddress does not hold one."""
    interlink_address: str = Field(alias="InterlinkAddress")
    """Where virtual kubelets connect: `https://0.0.0.0`, or `unix:///path` for those of the same host."""
    sidecar_port: int | None = Field(default=None, alias="SidecarPort", ge=1, le=65535)
    """Port, when SidecarURL is http and does not hold one."""
    sidecar_url: str | None = Field(default=None, alias="SidecarURL")
    """The one plugin of a site without `Accounts`: `unix:///path`, or http on a loopback address."""
    list_bodies: bool = Field(default=False, alias="ListBodies")
    """The same as in an item of `Accounts`, for the plugin of SidecarURL."""
    accounts: list[AccountSettings] = Field(default=[], alias="Accounts")
    """Local accounts and whose pods they run. Either this or SidecarURL."""
    job_script_build_config: JobScriptBuildSettings = Field(
        default=JobScriptBuildSettings(), alias="JobScriptBuildConfig"
    )
    """Passed on to plugins as `jobConfig`."""
    job_script_template: str | None = Field(default=None, alias="JobScriptTemplate")
    """Refused: upstream's template of a job script is a Go template."""
    state_directory: Path = Field(default=Path("/var/lib/dte/interlink-api"), alias="StateDirectory")
    """Holds ownership.sqlite3. On a local disk: SQLite is not safe on a network file system."""
    max_body_bytes: int = Field(default=16 << 20, alias="MaxBodyBytes", ge=1 << 10, le=1 << 30)
    """Largest request body; a create carries the pod's ConfigMaps and Secrets (1 MiB each at most)."""
    max_requests: int = Field(default=512, alias="MaxRequests", ge=1)
    """Requests served at once, log streams that follow included; more are told to come again (503)."""
    max_watchers: int = Field(default=128, alias="MaxWatchers", ge=1)
    """Readers of the stream of changes, one for each virtual node; more are told to ask for the status (503)."""
    stop_timeout_s: float = Field(default=20.0, alias="StopTimeout", ge=0, le=300)
    """Seconds that requests in flight get after SIGTERM. Below the unit's TimeoutStopSec."""
    admin: AdminSettings = Field(default=AdminSettings(), alias="Admin")
    """Health and metrics."""
    verbose_logging: bool = Field(default=False, alias="VerboseLogging")
    """Log DEBUG lines too."""
    errors_only_logging: bool = Field(default=False, alias="ErrorsOnlyLogging")
    """Log ERROR lines only. VerboseLogging wins."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, raw: Any) -> Any:
        # A key that is absent would be validated, and reported, under its Python name.
        return {"Accounts": [], **raw} if isinstance(raw, dict) and "accounts" not in raw else raw

    @field_validator("tls")
    @classmethod
    def _complete(cls, tls: TlsSettings) -> TlsSettings:
        if tls.enabled and not (tls.cert_file and tls.key_file):
            raise ValueError("CertFile and KeyFile are required when Enabled is true")
        return tls

    @field_validator("interlink_address")
    @classmethod
    def _authenticated(cls, value: str, info: ValidationInfo) -> str:
        address = parse_address(value, info.data.get("interlink_port"))
        if "tls" not in info.data:
            return value  # its own problem is reported
        tls: TlsSettings = info.data["tls"]
        if isinstance(address, UnixAddress) and tls.enabled:
            raise ValueError("a unix socket carries no TLS: set TLS.Enabled to false or listen on https://")
        if isinstance(address, TcpAddress) and not (tls.enabled and tls.ca_cert_file):
            raise ValueError(
                "a TCP port must know its clients: set TLS.Enabled, CertFile, KeyFile and CACertFile "
                "(client certificates are then required), or listen on unix:///path"
            )
        return value

    @field_validator("sidecar_url")
    @classmethod
    def _local(cls, value: str | None, info: ValidationInfo) -> str | None:
        address = None if value is None else parse_address(value, info.data.get("sidecar_port"))
        if address is not None and not is_on_this_host(address):
            raise ValueError(
                "a plugin has no authentication: connect to it by unix:///path or on a loopback address; "
                "for one on another host forward its socket, for instance by ssh"
            )
        return value

    @field_validator("accounts")
    @classmethod
    def _distinct(cls, items: list[AccountSettings], info: ValidationInfo) -> list[AccountSettings]:
        problems = [*_repeated("Name", [item.name for item in items])]
        problems += _repeated("Socket", [str(item.socket) for item in items])
        problems += shared_rules([item.account() for item in items])
        if "sidecar_url" in info.data and (info.data["sidecar_url"] is None) == (not items):
            problems.append("give either Accounts or, for a site with one account, SidecarURL")
        if problems:
            raise ValueError("; ".join(problems))
        return items

    @field_validator("job_script_template")
    @classmethod
    def _unsupported(cls, value: str | None) -> str | None:
        if value:
            raise ValueError("this version builds no job scripts from templates: remove the key")
        return value

    @field_validator("state_directory")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError("must be an absolute path")
        return value

    def listen_address(self) -> Address:
        return parse_address(self.interlink_address, self.interlink_port)

    def account_list(self) -> tuple[Account, ...]:
        """The accounts in the order of the file; one that takes every pod when there is only SidecarURL."""
        if self.sidecar_url is not None:
            address = parse_address(self.sidecar_url, self.sidecar_port)
            return (Account(SINGLE_ACCOUNT, address, list_bodies=self.list_bodies),)
        return tuple(item.account() for item in self.accounts)


def _repeated(key: str, values: list[str]) -> list[str]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    return [f"{key} {value!r} is given more than once" for value in repeated]
