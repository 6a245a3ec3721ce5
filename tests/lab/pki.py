"""Certificates of the lab: two authorities (the site's and Kubernetes' own) and what they sign, for 30 days."""

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = datetime.timedelta(days=30)
CLOCK_SLACK = datetime.timedelta(minutes=5)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def subject(common_name: str, organisation: str = "") -> x509.Name:
    """The name of a certificate; in RFC 4514 text "CN=<common name>,O=<organisation>"."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _alternative_names(names: Iterable[str]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(found)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority whose key lies in a directory that only the lab's owner reads."""

    pair: Pair

    @property
    def certificate(self) -> bytes:
        return self.pair.certificate

    def issue(self, name: x509.Name, *, usage: x509.ObjectIdentifier, addresses: Iterable[str] = ()) -> Pair:
        """A certificate for one purpose (SERVER or CLIENT); `addresses` are host names and IP addresses of a server."""
        issuer = x509.load_pem_x509_certificate(self.pair.certificate)
        issuer_key = serialization.load_pem_private_key(self.pair.key, password=None)
        assert isinstance(issuer_key, ec.EllipticCurvePrivateKey), "authorities are made below"
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(name, issuer.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if alternative := list(addresses):
            builder = builder.add_extension(_alternative_names(alternative), critical=False)
        certificate = builder.sign(issuer_key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))


def _builder(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def make_authority(common_name: str) -> Authority:
    """A new self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject(common_name, "interTwin lab")
    certificate = (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key)))


def rsa_key_pair() -> tuple[bytes, bytes]:
    """A private key and its public key, PEM: what the API server signs service accounts' tokens with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _pem(key), public


def write_private(path: Path, data: bytes) -> None:
    """A file that only its owner reads, complete from the first moment under its name."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(data)
    unfinished.rename(path)


def ensure_authority(directory: Path, stem: str, common_name: str) -> Authority:
    """The authority kept as `<stem>.pem` and `<stem>.key`, made when it is not there."""
    certificate, key = directory / f"{stem}.pem", directory / f"{stem}.key"
    if not certificate.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = make_authority(common_name)
        write_private(key, made.pair.key)
        write_private(certificate, made.certificate)
        certificate.chmod(0o644)
    return Authority(Pair(certificate.read_bytes(), key.read_bytes()))


def site_authority(lab_directory: Path) -> Authority:
    """Signs the hosts' certificates and the client certificates of virtual kubelets: `.lab/pki/ca.pem`."""
    return ensure_authority(lab_directory / "pki", "ca", "interTwin lab site CA")


def kubernetes_authority(lab_directory: Path) -> Authority:
    """Signs whom the API server trusts and the certificate with which it calls kubelets: `.lab/pki/kube-ca.pem`."""
    return ensure_authority(lab_directory / "pki", "kube-ca", "interTwin lab Kubernetes CA")
