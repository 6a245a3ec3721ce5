"""Certificates of the lab."""

import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tests.lab import pki


def test_a_name_reads_as_authorities_and_settings_write_it() -> None:
    assert pki.subject("lab-admin", "system:masters").rfc4514_string() == "CN=lab-admin,O=system:masters"
    assert pki.subject("virtual-kubelet").rfc4514_string() == "CN=virtual-kubelet"


def test_a_server_is_verified_by_address_and_by_name() -> None:
    authority = pki.make_authority("test CA")
    pair = authority.issue(pki.subject("edge"), usage=pki.SERVER, addresses=["edge", "192.0.2.7"])
    store = Store([x509.load_pem_x509_certificate(authority.certificate)])
    leaf = x509.load_pem_x509_certificate(pair.certificate)
    for subject in (x509.DNSName("edge"), x509.IPAddress(ipaddress.ip_address("192.0.2.7"))):
        PolicyBuilder().store(store).build_server_verifier(subject).verify(leaf, [])


def test_another_authority_with_the_same_name_is_not_accepted() -> None:
    one, other = pki.make_authority("CA"), pki.make_authority("CA")
    pair = one.issue(pki.subject("vk"), usage=pki.SERVER, addresses=["vk"])
    verifier = (
        PolicyBuilder()
        .store(Store([x509.load_pem_x509_certificate(other.certificate)]))
        .build_server_verifier(x509.DNSName("vk"))
    )
    with pytest.raises(VerificationError):
        verifier.verify(x509.load_pem_x509_certificate(pair.certificate), [])


def test_a_client_certificate_does_not_serve() -> None:
    pair = pki.make_authority("CA").issue(pki.subject("vk"), usage=pki.CLIENT)
    leaf = x509.load_pem_x509_certificate(pair.certificate)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [pki.CLIENT]


def test_an_authority_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    first, second = pki.site_authority(tmp_path), pki.site_authority(tmp_path)
    assert first == second
    assert (tmp_path / "pki" / "ca.key").stat().st_mode & 0o777 == 0o600
    assert pki.kubernetes_authority(tmp_path) != first
