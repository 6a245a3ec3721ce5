"""The interLink API's part of `dte doctor`: the edge host's door, and its way to the sidecars."""

import asyncio
import ssl
import time
from typing import Final

from dte.interlink.api.accounts import Account as SidecarAccount
from dte.interlink.api.settings import ApiSettings
from dte.runtime.accounts import Account, account_named
from dte.runtime.address import TcpAddress, UnixAddress
from dte.runtime.doctor import certificates, clock, listeners, places, units
from dte.runtime.doctor.certificates import Usage
from dte.runtime.doctor.checks import CannotCheck, Check, Component, Subject
from dte.runtime.doctor.findings import Finding, critical, ok, warning
from dte.runtime.errors import Unavailable
from dte.runtime.mounts import MOUNTINFO, type_in

NAME: Final = "interlink-api"
SERVICE: Final = f"{NAME}.service"
SHARED_TYPES: Final = ("afs", "beegfs", "ceph", "cifs", "fuse.", "gpfs", "lustre", "nfs", "smb")
"""How the types of file systems begin on which SQLite's locks cannot be relied on (sqlite.org/lockingv3.html, 6)."""
TLS_LIMIT_S: Final = 10.0

ApiSubject = Subject[ApiSettings]


async def unit(_: ApiSubject) -> list[Finding]:
    return await units.judged_units([SERVICE, f"{NAME}.socket"])


async def ready(subject: ApiSubject) -> list[Finding]:
    return await listeners.ready(subject.settings.admin, NAME)


async def certificate(subject: ApiSubject) -> list[Finding]:
    """The server's certificate and the clients' authorities."""
    tls = subject.settings.tls
    if not tls.enabled or tls.cert_file is None:
        return [ok("no TLS: it listens on a unix socket")]
    facts = certificates.look_at_pair(tls.cert_file, tls.key_file, Usage.SERVER)
    findings = certificates.judge_certificate(facts, time.time())
    if tls.ca_cert_file is not None:
        findings += certificates.authorities(tls.ca_cert_file, time.time())
    return findings


async def served(subject: ApiSubject) -> list[Finding]:
    """What a client meets at the port: the certificate of the file, not one from before its renewal."""
    address, tls = subject.settings.listen_address(), subject.settings.tls
    if isinstance(address, UnixAddress):
        return [listeners.socket_problem(address.path) or ok(f"{address} is there")]
    assert tls.cert_file is not None, "validated: a TCP port has a certificate"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - looked at, not bound
    ours = tls.cert_file.read_text()
    try:
        shown = await asyncio.to_thread(ssl.get_server_certificate, (host, address.port), timeout=TLS_LIMIT_S)
    except OSError as error:
        return [critical(f"port {address.port} does not answer: {error}", f"journalctl -u {NAME} says why")]
    return [judge_served(address, shown, ours)]


def judge_served(address: TcpAddress, shown: str, file_text: str) -> Finding:
    """Whether the certificate shown (PEM) is the first of the file."""
    first = file_text[file_text.index(ssl.PEM_HEADER) :] if ssl.PEM_HEADER in file_text else ""
    first = first[: first.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)] if ssl.PEM_FOOTER in first else ""
    if first and ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(first):
        return ok(f"port {address.port} shows the certificate of the file")
    text = f"port {address.port} shows another certificate than the one in the file"
    return warning(text, f"systemctl reload {NAME}; if it stays so, the key does not fit or another program listens")


async def sidecars(subject: ApiSubject) -> list[Finding]:
    """The socket of each account's sidecar, as the API's user meets it."""
    user = await _user()
    return [await _sidecar(account, user) for account in subject.settings.account_list()]


async def _sidecar(account: SidecarAccount, user: Account | None) -> Finding:
    what = f"sidecar of {account.name} at {account.address}"
    if isinstance(account.address, UnixAddress):
        path = account.address.path
        if problem := listeners.socket_problem(path):
            return problem
        if user is not None and (reason := await places.connect_error(path, user)):
            return critical(
                f"{what}: {user.name} cannot connect: {reason}", f"chgrp {user.name} {path}; chmod 0660 {path}"
            )
    try:
        answer = await listeners.ask(account.address, "/status", body=b"[]")
    except PermissionError as error:
        raise CannotCheck(f"{what} answers root and the interLink API alone") from error
    except Unavailable as error:
        return critical(f"{what} does not answer a ping: {error}", "dte doctor interlink-slurm says more")
    if answer.status != 200:
        return critical(f"{what}: {answer.words}", "dte doctor interlink-slurm says more")
    return ok(f"{what} answers a ping")


async def state(subject: ApiSubject) -> list[Finding]:
    """The directory of the table of owners: the API's own, with room, on a local disk."""
    directory, user = subject.settings.state_directory, await _user()
    findings: list[Finding] = []
    kind = type_in(MOUNTINFO.read_text(errors="replace"), directory)
    if kind.startswith(SHARED_TYPES):
        text = f"{directory} is on {kind}: the table of owners may be damaged there"
        findings.append(critical(text, "set StateDirectory to a directory on a local disk"))
    if user is not None:
        findings += places.judge_directory(directory, await places.look_at_directory(directory, user), user)
    return findings or [ok(f"{directory} is on {kind}")]


async def kept_clock(_: ApiSubject) -> list[Finding]:
    return await clock.clock_kept()


CHECKS: Final = (
    Check("unit", NAME, unit),
    Check("ready", NAME, ready),
    Check("certificate", NAME, certificate),
    Check("port", NAME, served),
    Check("sidecars", NAME, sidecars),
    Check("state directory", NAME, state),
    Check("clock", NAME, kept_clock),
)
COMPONENT: Final = Component(NAME, ApiSettings, CHECKS, has_instances=False)


async def _user() -> Account | None:
    """The account that the unit runs as; None without a unit."""
    try:
        name = (await units.look_at_units([SERVICE])).get(SERVICE, {}).get("User", "")
    except Unavailable:
        return None
    return await asyncio.to_thread(account_named, name) if name else None
