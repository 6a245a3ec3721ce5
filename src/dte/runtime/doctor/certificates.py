"""Certificates as OpenSSL will judge them: each is tried in a handshake in memory, with a peer of its purpose.

So what is said here is what the daemons' own connections will meet; nothing is parsed by hand.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from dte.runtime.doctor.findings import Finding, critical, ok, warning

SECONDS_PER_DAY: Final = 86400
WARNING_DAYS: Final = 14
"""Public certificates live 47 days from 2029 on and are renewed when a third is left: 15 days."""
CRITICAL_DAYS: Final = 3
RENEW: Final = "renew it; the daemons read the new files by themselves"

_NO_CHECK_TIME: Final = 0x200000
_PARTIAL_CHAIN: Final = 0x80000
"""X509_V_FLAG_NO_CHECK_TIME and _PARTIAL_CHAIN of OpenSSL's x509_vfy.h, which the ssl module does not name."""
_MAX_ROUNDS: Final = 10
"""A handshake of TLS 1.3 is over after two."""


class Usage(Enum):
    """What a certificate is shown for; the values are words for people."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate as a peer saw it. Times are Unix seconds; 0 when no peer could read it."""

    path: Path
    usage: Usage
    names: tuple[str, ...]
    """DNS names and IP addresses."""
    not_before: float
    not_after: float
    problem: str
    """OpenSSL's words when a peer would refuse it for another reason than its time; empty: it would not."""


def look_at_pair(cert: Path, key: Path | None, usage: Usage, anchors: Path | None = None) -> CertificateFacts:
    """Show the certificate to a peer that trusts `anchors`; None: that trusts this very certificate.

    Raises PermissionError for files that may not be read.
    """
    for path in (cert, key, anchors):
        if path is not None:
            _require_readable(path)
    try:
        seen = _seen_by_peer(cert, key, usage, anchors)
        return _facts(cert, usage, seen, "")
    except ssl.SSLCertVerificationError as error:
        problem = error.verify_message
    except (ssl.SSLError, OSError) as error:
        return _facts(cert, usage, {}, _words(error))
    try:
        return _facts(cert, usage, _seen_by_peer(cert, key, usage, None), problem)
    except (ssl.SSLError, OSError):
        return _facts(cert, usage, {}, problem)


def authorities(path: Path, now: float) -> list[Finding]:
    """The check of a PEM bundle of authorities. Raises PermissionError."""
    _require_readable(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        return [critical(f"authorities in {path}: {_words(error)}", "put PEM certificates of authorities there")]
    return judge_authorities(path, [dict(found) for found in context.get_ca_certs() if isinstance(found, dict)], now)


def judge_certificate(facts: CertificateFacts, now: float, wanted: Sequence[str] = ()) -> list[Finding]:
    """Chain, purpose, key, names (`wanted` must all be among them) and time."""
    what = f"{facts.usage.value} certificate {facts.path}"
    findings: list[Finding] = []
    if facts.problem:
        advice = f"put a certificate for {facts.usage.value}s there with its chain and its key"
        findings.append(critical(f"{what}: {facts.problem}", advice))
    if not facts.not_after:
        return findings
    if facts.not_before > now:
        findings.append(critical(f"{what} is not valid yet", "look at this host's clock, or wait"))
    findings += judge_days(what, facts.not_after, now)
    if missing := [name for name in wanted if name not in facts.names]:
        text = f"{what} is for {', '.join(facts.names) or 'no name'}, not for {', '.join(missing)}"
        findings.append(critical(text, "have it issued with that name, too"))
    if findings:
        return findings
    return [ok(f"{what}: {days_left(facts.not_after, now)} days left, for {', '.join(facts.names) or 'no name'}")]


def judge_authorities(path: Path, found: Sequence[Mapping[str, Any]], now: float) -> list[Finding]:
    """Whether the bundle still has an authority to trust, and how long; `found` as the ssl module decodes them."""
    what = f"authorities in {path}"
    if not found:
        return [critical(f"{what}: there is none", "put the certificate of the authority there, not that of a host")]
    last = max(ssl.cert_time_to_seconds(str(authority["notAfter"])) for authority in found)
    findings = judge_days(what, last, now)
    return findings or [ok(f"{what}: {len(found)}, {days_left(last, now)} days left")]


def judge_days(what: str, not_after: float, now: float) -> list[Finding]:
    """Nothing when there is time enough."""
    days = days_left(not_after, now)
    if not_after <= now:
        return [critical(f"{what} expired {-days} days ago" if days else f"{what} has expired today", RENEW)]
    if days < WARNING_DAYS:
        make = critical if days < CRITICAL_DAYS else warning
        return [make(f"{what} expires in {days} days", RENEW)]
    return []


def days_left(not_after: float, now: float) -> int:
    """Whole days, towards zero."""
    return int((not_after - now) / SECONDS_PER_DAY)


def _require_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except PermissionError:
        raise
    except OSError:
        return  # told by OpenSSL, with the other reasons


def _facts(path: Path, usage: Usage, seen: Mapping[str, Any], problem: str) -> CertificateFacts:
    names = tuple(str(value) for kind, value in seen.get("subjectAltName", ()) if kind in ("DNS", "IP Address"))
    times = [ssl.cert_time_to_seconds(seen[key]) if key in seen else 0 for key in ("notBefore", "notAfter")]
    return CertificateFacts(path, usage, names, times[0], times[1], problem)


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return error.strerror or str(error)


def _seen_by_peer(cert: Path, key: Path | None, usage: Usage, anchors: Path | None) -> Mapping[str, Any]:
    """The certificate as the peer decoded it, whatever its time. Raises ssl.SSLError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    # A server needs one in any case, so that there is a handshake.
    server.load_cert_chain(cert, key)
    if usage is Usage.CLIENT:
        client.load_cert_chain(cert, key)
    peer = server if usage is Usage.CLIENT else client
    peer.verify_mode = ssl.CERT_REQUIRED
    peer.load_verify_locations(anchors or cert)
    peer.verify_flags |= _NO_CHECK_TIME if anchors else _NO_CHECK_TIME | _PARTIAL_CHAIN
    return _shake_hands(server, client, usage)


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, usage: Usage) -> Mapping[str, Any]:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_side=False),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    for _ in range(_MAX_ROUNDS):
        for end in tuple(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
        if not waiting:
            break
    return ends[usage is Usage.CLIENT].getpeercert() or {}
