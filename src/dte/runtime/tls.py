"""TLS contexts from settings, certificates that are replaced while we run, and who is at the other end."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from dte.runtime.errors import ConfigError
from dte.runtime.files import Stamp, stamp
from dte.runtime.settings import TlsSettings

log = structlog.get_logger()

WATCH_INTERVAL_S = 30.0
"""How often certificate files are looked at: they change every few weeks."""


@dataclass(frozen=True, slots=True)
class PeerIdentity:
    """Issuer and subject of a verified certificate, as strings in the order of RFC 4514."""

    issuer: str
    subject: str


class RenewableContext(ssl.SSLContext):
    """Makes each new connection with the newest of the contexts that it was given.

    OpenSSL only adds to a context: a CA taken out of the bundle would stay trusted in it, and sessions of that CA's
    clients could be resumed without a look at their certificates. A fresh context has neither.
    """

    _make: Callable[[TlsSettings], ssl.SSLContext]
    _newest: ssl.SSLContext

    @classmethod
    def of(cls, protocol: int, make: Callable[[TlsSettings], ssl.SSLContext], tls: TlsSettings) -> "RenewableContext":
        context = cls(protocol)
        context._make = make
        context.renew(tls)
        return context

    def renew(self, tls: TlsSettings) -> None:
        """Read the files again; raises ConfigError for files that cannot be used, and nothing has changed then."""
        self._newest = self._make(tls)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """What asyncio calls for each connection."""
        return self._newest.wrap_bio(*args, **kwargs)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return self._newest.wrap_socket(*args, **kwargs)


def server_context(tls: TlsSettings) -> RenewableContext:
    """A server's context, TLS 1.2 or newer; with a CA file every client must show a certificate of it.

    Raises ConfigError when a file is missing or does not fit.
    """
    return RenewableContext.of(ssl.PROTOCOL_TLS_SERVER, _fresh_server_context, tls)


def client_context(tls: TlsSettings) -> RenewableContext:
    """A client's context; the server's certificate and name are always verified.

    With a CA file only its authorities are trusted, without one those of the system.
    """
    return RenewableContext.of(ssl.PROTOCOL_TLS_CLIENT, _fresh_client_context, tls)


def _fresh_server_context(tls: TlsSettings) -> ssl.SSLContext:
    if tls.cert_file is None:
        raise ConfigError(["TLS.CertFile: is required for a server"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with _readable(tls):
        context.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.ca_cert_file is not None:
            context.load_verify_locations(tls.ca_cert_file)
            context.verify_mode = ssl.CERT_REQUIRED
    return context


def _fresh_client_context(tls: TlsSettings) -> ssl.SSLContext:
    with _readable(tls):
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca_cert_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    return context


@contextlib.contextmanager
def _readable(tls: TlsSettings) -> Iterator[None]:
    try:
        yield
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(path) for path in _files(tls))
        raise ConfigError([f"TLS: cannot use {files}: {error}"]) from error


def reload_certificates(context: RenewableContext, tls: TlsSettings) -> None:
    """Use the files as they are now for new connections; files that do not fit leave the old ones in use."""
    try:
        context.renew(tls)
    except ConfigError as error:
        log.warning("certificate_not_replaced", error=str(error))
    else:
        log.info("certificate_replaced", files=[str(path) for path in _files(tls)])


async def watch_certificates(context: RenewableContext, tls: TlsSettings) -> None:
    """Reload files that were replaced, for ever."""
    seen = _stamps(tls)
    while True:
        await asyncio.sleep(WATCH_INTERVAL_S)
        now = await asyncio.to_thread(_stamps, tls)
        if now != seen:
            seen = now
            reload_certificates(context, tls)


def _files(tls: TlsSettings) -> list[Path]:
    return [path for path in (tls.cert_file, tls.key_file, tls.ca_cert_file) if path is not None]


def _stamps(tls: TlsSettings) -> list[Stamp | None]:
    return [stamp(path) for path in _files(tls)]


def peer_identity(request: web.Request) -> PeerIdentity | None:
    """Issuer and subject of the client's certificate; None without TLS or without a certificate."""
    if request.transport is None:
        return None
    certificate = request.transport.get_extra_info("peercert")
    return identity_of(certificate) if certificate else None


def peer_expires_at(request: web.Request) -> float | None:
    """Unix seconds at which the client's certificate ends (notAfter); None without one."""
    certificate = None if request.transport is None else request.transport.get_extra_info("peercert")
    return float(ssl.cert_time_to_seconds(certificate["notAfter"])) if certificate else None


_SHORT_NAMES: Mapping[str, str] = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}
"""RFC 4514, section 3; any other attribute keeps the name that OpenSSL gives it."""


def identity_of(certificate: Mapping[str, Any]) -> PeerIdentity:
    """From the mapping that `ssl.SSLSocket.getpeercert` returns."""
    return PeerIdentity(_name(certificate["issuer"]), _name(certificate["subject"]))


def _name(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    # RFC 4514 writes the last relative name first.
    return ",".join(
        "+".join(f"{_SHORT_NAMES.get(key, key)}={_escape(value)}" for key, value in part) for part in reversed(parts)
    )


def _escape(value: str) -> str:
    escaped = "".join(f"\\{char}" if char in '"+,;<>\\' else char for char in value).replace("\0", "\\00")
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped
