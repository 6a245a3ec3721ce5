"""The virtual kubelet's part of `dte doctor`: the federation host's certificates, logins, cluster and site."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dte.interlink import wire
from dte.interlink.virtual_kubelet.access import RIGHTS, Right
from dte.interlink.virtual_kubelet.cluster import Cluster
from dte.interlink.virtual_kubelet.conditions import find_condition
from dte.interlink.virtual_kubelet.login import api_client
from dte.interlink.virtual_kubelet.logins import parse_login
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.runtime.doctor import certificates, clock, listeners, tokens, units
from dte.runtime.doctor.certificates import Usage
from dte.runtime.doctor.checks import Check, Component, Subject
from dte.runtime.doctor.findings import Finding, critical, ok, warning
from dte.runtime.errors import BadOutput, ConfigError, Refused, Unavailable
from dte.runtime.tls import client_context

NAME: Final = "virtual-kubelet"
CONNECTIVITY: Final = "InterlinkConnectivity"
NEW_LOGIN: Final = (
    "give it a kubeconfig with a valid token of its service account (roles/virtual_kubelet/files/rbac.yaml)"
)

NodeSubject = Subject[VirtualKubeletSettings]


async def unit(subject: NodeSubject) -> list[Finding]:
    return await units.judged_units([f"{NAME}@{subject.name}.service"])


async def ready(subject: NodeSubject) -> list[Finding]:
    return await listeners.ready(subject.settings.admin, f"{NAME}@{subject.name}")


async def kubelet_certificate(subject: NodeSubject) -> list[Finding]:
    """What the API server meets at the kubelet port."""
    settings, now = subject.settings, time.time()
    facts = certificates.look_at_pair(settings.kubelet_cert_file, settings.kubelet_key_file, Usage.SERVER)
    return [
        *certificates.judge_certificate(facts, now, [settings.internal_ip]),
        *certificates.authorities(settings.kubelet_client_ca_file, now),
    ]


async def interlink_certificate(subject: NodeSubject) -> list[Finding]:
    """What we show the site's API, and whom we trust there."""
    tls, now = subject.settings.interlink_tls, time.time()
    if tls is None:
        return [ok("the way to the interLink API has no TLS")]
    findings: list[Finding] = []
    if tls.cert_file is not None:
        facts = certificates.look_at_pair(tls.cert_file, tls.key_file, Usage.CLIENT)
        findings += certificates.judge_certificate(facts, now)
    if tls.ca_cert_file is not None:
        findings += certificates.authorities(tls.ca_cert_file, now)
    return findings or [ok("the system's authorities are trusted, and no certificate is shown")]


async def token(subject: NodeSubject) -> list[Finding]:
    """The tokens for the interLink API and for the cluster."""
    settings, findings = subject.settings, []
    if settings.token_file is not None:
        findings.append(_judged_token(f"VKTokenFile {settings.token_file}", settings.token_file.read_text()))
    if settings.kubeconfig_file is not None:
        findings.append(_judged_login(settings.kubeconfig_file))
    return findings or [ok("no token is used")]


def _judged_token(what: str, text: str) -> Finding:
    try:
        return tokens.judge_token(what, tokens.parse_token(text), time.time())
    except BadOutput as error:
        return critical(f"{what}: {error}", "put a bearer token there, and nothing else")


def _judged_login(kubeconfig: Path) -> Finding:
    what = f"login of {kubeconfig}"
    try:
        login = parse_login(kubeconfig.read_text(), kubeconfig.parent)
    except BadOutput as error:
        return critical(f"{what}: {error}", NEW_LOGIN)
    if login.token:
        return _judged_token(what, login.token)
    if login.token_file is not None:
        return _judged_token(f"{what}, {login.token_file}", login.token_file.read_text())
    if login.certificate is not None:
        facts = certificates.look_at_pair(*login.certificate, Usage.CLIENT)
        return certificates.judge_certificate(facts, time.time())[0]
    return ok(f"{what} is by something whose end is not looked at")


async def cluster(subject: NodeSubject) -> list[Finding]:
    """The Kubernetes API, our rights there, and what it thinks of the node."""
    try:
        async with api_client(subject.settings.kubeconfig_file) as api:
            asked = Cluster(api, subject.settings.node_name)
            allowed = await asyncio.gather(*(asked.is_allowed(right.attributes()) for right in RIGHTS))
            missing = [right for right, may in zip(RIGHTS, allowed, strict=True) if not may]
            findings = [judge_rights(missing)]
            if not any(right.resource == "nodes" for right in missing):
                findings += judge_node(subject.settings.node_name, await asked.get_node())
            return findings
    except ConfigError as error:
        return [critical(str(error), NEW_LOGIN)]
    except (Unavailable, Refused) as error:
        return [critical(str(error), f"see whether the API server is reachable from here; if it refuses, {NEW_LOGIN}")]


def judge_rights(missing: Sequence[Right]) -> Finding:
    """Whether all of RIGHTS are there."""
    if not missing:
        return ok("the Kubernetes API answers and grants all rights")
    text = f"the Kubernetes API does not grant: {', '.join(map(str, missing))}"
    return critical(text, "have roles/virtual_kubelet/files/rbac.yaml applied, and bound to this login")


def judge_node(name: str, node: Mapping[str, Any] | None) -> list[Finding]:
    """Ready, and in touch with its site."""
    journal = f"journalctl -u {NAME}@{name} says why"
    if node is None:
        return [critical(f"the cluster has no node {name}", journal)]
    conditions = (node.get("status") or {}).get("conditions") or ()
    findings = []
    if (find_condition(conditions, "Ready") or {}).get("status") != "True":
        findings.append(critical(f"node {name} is not Ready", journal))
    connectivity = find_condition(conditions, CONNECTIVITY) or {}
    if connectivity.get("status") == "False":
        text = f"node {name} is out of touch with its site: {connectivity.get('message') or 'no reason given'}"
        findings.append(critical(text, "the line `interLink API` says more; pods are left as they are"))
    if (node.get("spec") or {}).get("unschedulable"):
        findings.append(warning(f"node {name} is cordoned: it gets no new pods", f"kubectl uncordon {name}"))
    return findings or [ok(f"node {name} is Ready")]


async def site(subject: NodeSubject) -> list[Finding]:
    """A ping to the site's API as the daemon sends it, and its clock."""
    settings = subject.settings
    tls = client_context(settings.interlink_tls) if settings.interlink_tls is not None else None
    headers = {wire.NODE_HEADER: settings.node_name}
    if settings.token_file is not None:
        headers["Authorization"] = f"Bearer {settings.token_file.read_text().strip()}"
    try:
        answer = await listeners.ask(settings.interlink_address, "/pinglink", method="POST", headers=headers, tls=tls)
    except Unavailable as error:
        return [judge_silence(settings.interlink_url, str(error))]
    return [judge_ping(settings.interlink_url, answer), *clock.judge_date(answer.date, settings.interlink_url)]


def judge_silence(url: str, words: str) -> Finding:
    """An API that could not be asked: the two ends do not trust each other, or do not reach each other."""
    lowered = words.lower()
    if "verify failed" in lowered or "certificateerror" in lowered:
        return critical(
            f"{url}: {words}", "TLS.CACertFile must hold the authority of the site's certificate, and the URL its name"
        )
    if "alert" in lowered and ("certificate" in lowered or "unknown_ca" in lowered):
        return critical(
            f"{url} refuses our certificate: {words}", "have TLS.CertFile issued by an authority that the site trusts"
        )
    return critical(
        f"{url} does not answer: {words}", "see whether a firewall is in between, and `dte doctor` on the edge host"
    )


def judge_ping(url: str, answer: listeners.Answer) -> Finding:
    """What the API said."""
    if answer.status == 200:
        return ok(f"{url} answers a ping")
    if answer.status in (401, 403):
        return critical(
            f"{url} refuses us: {answer.words}", "see the token's issuer, audience and groups with the site"
        )
    if answer.status == 404:
        return critical(f"{url}: {answer.words}", "InterlinkURL must be that of an interLink API")
    return critical(f"{url}: {answer.words}", "`dte doctor` on the edge host says more")


async def kept_clock(_: NodeSubject) -> list[Finding]:
    return await clock.clock_kept()


CHECKS: Final = (
    Check("unit", NAME, unit),
    Check("ready", NAME, ready),
    Check("kubelet certificate", NAME, kubelet_certificate),
    Check("interLink certificate", NAME, interlink_certificate),
    Check("token", NAME, token),
    Check("Kubernetes", NAME, cluster),
    Check("interLink API", NAME, site),
    Check("clock", NAME, kept_clock),
)
COMPONENT: Final = Component(NAME, VirtualKubeletSettings, CHECKS)
