"""The admin listener and the sockets of a daemon, asked as their users ask them."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from dte.runtime.address import Address, TcpAddress, UnixAddress, parse_address
from dte.runtime.doctor.findings import Finding, critical, ok, unknown
from dte.runtime.errors import Unavailable
from dte.runtime.settings import AdminSettings

ANSWER_LIMIT_S: Final = 15.0
MAX_TEXT: Final = 300
MAX_ANSWER_BYTES: Final = 1 << 20


async def ready(admin: AdminSettings, unit: str) -> list[Finding]:
    """The check of /readyz; unknown for a listener whose port only the daemon knows."""
    address = parse_address(admin.listen)
    if isinstance(address, TcpAddress) and address.port == 0:
        text = "the admin listener has no fixed port, so nobody can ask whether the daemon is ready"
        return [unknown(text, "set Admin.Listen to a port or unix:///path")]
    try:
        answer = await ask(address, "/readyz")
    except Unavailable as error:
        return [judge_readiness(None, str(error), unit)]
    return [judge_readiness(answer.status, answer.text, unit)]


def judge_readiness(status: int | None, text: str, unit: str) -> Finding:
    """From an answer of /readyz; status None: there was none, `text` says why."""
    said = text.strip()[:MAX_TEXT]
    if status is None:
        return critical(f"the admin listener does not answer: {said}", f"journalctl -u {unit} says why")
    if status == 200:
        return ok("it serves")
    return critical(f"not ready: {said or f'HTTP {status}'}", f"mend that; journalctl -u {unit} has more")


@dataclass(frozen=True, slots=True)
class Answer:
    """Of an HTTP request; `date` is its Date header."""

    status: int
    text: str
    date: str | None

    @property
    def words(self) -> str:
        """Status and text for people, cut."""
        return f"HTTP {self.status}: {self.text.strip()[:MAX_TEXT]}"


async def ask(
    address: Address,
    path: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """One request, over TLS when there is a context. Raises PermissionError, or Unavailable with a reason."""
    connector: aiohttp.BaseConnector
    if isinstance(address, UnixAddress):
        connector, base = aiohttp.UnixConnector(str(address.path)), "http://localhost"
    else:
        connector, base = aiohttp.TCPConnector(ssl=tls or True), f"{'https' if tls else 'http'}://{address}"
    timeout = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, base + path, data=body, headers=headers) as response,
        ):
            text = (await response.content.read(MAX_ANSWER_BYTES)).decode(errors="replace")
            return Answer(response.status, text, response.headers.get("Date"))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        if isinstance(reason := getattr(error, "os_error", error), PermissionError):
            raise PermissionError(reason.errno, "may not be connected to", str(address)) from error
        raise Unavailable(_reason(error)) from error


def _reason(error: Exception) -> str:
    """The words of the system or of OpenSSL, without aiohttp's around them."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    words = getattr(inner, "verify_message", "")
    if words:
        return f"certificate verify failed: {words}"
    return getattr(inner, "strerror", None) or str(inner) or f"no answer within {ANSWER_LIMIT_S:g} s"


def socket_problem(path: Path) -> Finding | None:
    """Whether there is a socket at `path` at all; None: there is. Raises PermissionError."""
    advice = "start the socket's unit; the directory is made by systemd-tmpfiles"
    try:
        is_socket = stat.S_ISSOCK(path.stat().st_mode)
    except FileNotFoundError:
        return critical(f"{path}: no such socket", advice)
    return None if is_socket else critical(f"{path} is not a socket", advice)
