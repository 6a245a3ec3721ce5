"""Certificates as a peer meets them: real ones, and OpenSSL's own verdict."""

import datetime
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dte.runtime.doctor import certificates
from dte.runtime.doctor.certificates import SECONDS_PER_DAY, CertificateFacts, Usage
from dte.runtime.doctor.findings import Finding, Level
from tests.lab import pki

NOW = time.time() + 3600
"""So that what is made now and lives for 30 days has 29 whole ones left."""


@pytest.fixture
def authority() -> pki.Authority:
    return pki.make_authority("test authority")


def write(directory: Path, name: str, pair: pki.Pair) -> tuple[Path, Path]:
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    cert.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    return cert, key


def server(directory: Path, authority: pki.Authority, name: str = "host") -> tuple[Path, Path]:
    return write(directory, name, authority.issue(pki.subject(name), usage=pki.SERVER, addresses=[name, "192.0.2.1"]))


def problem_of(findings: list[Finding]) -> str:
    [finding] = findings
    assert finding.level is not Level.OK
    return finding.text


def facts(**changes: Any) -> CertificateFacts:
    good: Mapping[str, Any] = {
        "path": Path("c.pem"),
        "usage": Usage.SERVER,
        "names": ("host",),
        "not_before": NOW - SECONDS_PER_DAY,
        "not_after": NOW + 30 * SECONDS_PER_DAY,
        "problem": "",
    }
    return CertificateFacts(**{**good, **changes})


def test_a_good_certificate_is_told_with_its_days_and_names(tmp_path: Path, authority: pki.Authority) -> None:
    cert, key = server(tmp_path, authority)
    seen = certificates.look_at_pair(cert, key, Usage.SERVER)
    assert (seen.problem, seen.names) == ("", ("host", "192.0.2.1"))
    [finding] = certificates.judge_certificate(seen, NOW, ["192.0.2.1"])
    assert finding.level is Level.OK
    assert "29 days left" in finding.text


def test_an_expired_certificate_is_told_with_the_days_since(
    tmp_path: Path, authority: pki.Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pki, "LIFE", -datetime.timedelta(days=2))
    monkeypatch.setattr(pki, "CLOCK_SLACK", datetime.timedelta(days=9))
    cert, key = server(tmp_path, authority)
    seen = certificates.look_at_pair(cert, key, Usage.SERVER)
    assert "expired 2 days ago" in problem_of(certificates.judge_certificate(seen, NOW))


def test_a_servers_certificate_does_for_no_client(tmp_path: Path, authority: pki.Authority) -> None:
    cert, key = server(tmp_path, authority)
    seen = certificates.look_at_pair(cert, key, Usage.CLIENT)
    assert "purpose" in problem_of(certificates.judge_certificate(seen, NOW))


def test_a_clients_certificate_does_for_a_client(tmp_path: Path, authority: pki.Authority) -> None:
    cert, key = write(tmp_path, "c", authority.issue(pki.subject("vk"), usage=pki.CLIENT))
    assert certificates.look_at_pair(cert, key, Usage.CLIENT).problem == ""


def test_a_certificate_of_another_authority_is_told(tmp_path: Path, authority: pki.Authority) -> None:
    cert, key = server(tmp_path, authority)
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(pki.make_authority("stranger").certificate)
    seen = certificates.look_at_pair(cert, key, Usage.SERVER, stranger)
    assert "issuer" in seen.problem
    assert seen.not_after > NOW


def test_a_key_that_does_not_fit_is_told(tmp_path: Path, authority: pki.Authority) -> None:
    cert, _ = server(tmp_path, authority)
    _, key = server(tmp_path, authority, "other")
    assert "mismatch" in problem_of(
        certificates.judge_certificate(certificates.look_at_pair(cert, key, Usage.SERVER), NOW)
    )


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_that_holds_no_certificate_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "c.pem"
    if content is not None:
        path.write_bytes(content)
    assert problem_of(certificates.judge_certificate(certificates.look_at_pair(path, path, Usage.SERVER), NOW))
    assert problem_of(certificates.authorities(path, NOW))


def test_a_bundle_of_authorities_lasts_as_long_as_its_last_one(tmp_path: Path, authority: pki.Authority) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.certificate + pki.make_authority("another").certificate)
    [finding] = certificates.authorities(path, NOW)
    assert finding.level is Level.OK
    assert "2, 29 days left" in finding.text
    assert "expires in 9 days" in problem_of(certificates.authorities(path, NOW + 20 * SECONDS_PER_DAY))


def test_a_hosts_certificate_is_no_authority(tmp_path: Path, authority: pki.Authority) -> None:
    cert, _ = server(tmp_path, authority)
    assert "there is none" in problem_of(certificates.authorities(cert, NOW))


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        pytest.param({"not_after": NOW + 10 * SECONDS_PER_DAY}, Level.WARNING, "expires in 9 days", id="soon"),
        pytest.param({"not_after": NOW + SECONDS_PER_DAY}, Level.CRITICAL, "expires in 0 days", id="tomorrow"),
        pytest.param({"not_after": NOW - 60}, Level.CRITICAL, "expired today", id="today"),
        pytest.param({"not_before": NOW + 60}, Level.CRITICAL, "not valid yet", id="not yet"),
        pytest.param({"problem": "unsupported"}, Level.CRITICAL, "unsupported", id="refused"),
    ],
)
def test_a_certificate_is_judged_by_its_time_and_its_peers(changes: dict[str, Any], level: Level, words: str) -> None:
    [finding] = certificates.judge_certificate(facts(**changes), NOW + 1)
    assert finding.level is level
    assert words in finding.text


def test_a_name_that_is_wanted_and_not_there_is_told() -> None:
    assert "not for 192.0.2.9" in problem_of(certificates.judge_certificate(facts(), NOW, ["host", "192.0.2.9"]))
