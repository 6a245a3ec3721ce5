"""The edge host's door: does it show the certificate of its file?"""

from dte.interlink.api.doctor import judge_served
from dte.runtime.address import TcpAddress
from dte.runtime.doctor.findings import Level
from tests.lab import pki

PORT = TcpAddress("0.0.0.0", 443)
ONE, OTHER = (pki.make_authority(name).certificate.decode() for name in ("one", "other"))


def test_the_first_certificate_of_the_file_is_the_one_to_show() -> None:
    assert judge_served(PORT, ONE, f"a comment\n{ONE}{OTHER}").level is Level.OK


def test_a_certificate_from_before_the_renewal_is_told() -> None:
    finding = judge_served(PORT, ONE, OTHER + ONE)
    assert finding.level is Level.WARNING
    assert "reload" in finding.advice


def test_a_file_without_certificate_is_not_what_is_shown() -> None:
    assert judge_served(PORT, ONE, "").level is Level.WARNING
    assert judge_served(PORT, ONE, "-----BEGIN CERTIFICATE-----\ncut").level is Level.WARNING
