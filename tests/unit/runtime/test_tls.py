"""Names of certificates as RFC 4514 writes them, and files that are replaced while a daemon runs."""

import ssl
from pathlib import Path

import pytest

from dte.runtime.errors import ConfigError
from dte.runtime.settings import TlsSettings
from dte.runtime.tls import PeerIdentity, identity_of, load_certificates, server_context
from tests.lab import pki


def test_issuer_and_subject_are_written_last_name_first() -> None:
    certificate = {
        "issuer": ((("countryName", "SI"),), (("organizationName", "Lab, Inc"),), (("commonName", "CA"),)),
        "subject": ((("commonName", "vk"), ("userId", "7")),),
    }
    assert identity_of(certificate) == PeerIdentity("CN=CA,O=Lab\\, Inc,C=SI", "CN=vk+UID=7")


def test_what_could_forge_another_name_is_escaped() -> None:
    certificate = {"issuer": (), "subject": ((("commonName", '#a,CN=admin" '),),)}
    assert identity_of(certificate).subject == 'CN=\\#a\\,CN=admin\\"\\ '


def served_certificate(server: ssl.SSLContext) -> str:
    """What a client of `server` is shown, PEM."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True))
    for end in (*ends, *ends):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    shown = ends[0].getpeercert(binary_form=True)
    assert shown is not None
    return ssl.DER_cert_to_PEM_cert(shown)


def test_a_new_certificate_whose_key_is_not_there_yet_leaves_the_old_pair_in_use(tmp_path: Path) -> None:
    authority = pki.make_authority("CA")
    old, new = (authority.issue(pki.subject(name), usage=pki.SERVER) for name in ("old", "new"))
    tls = TlsSettings(cert_file=tmp_path / "tls.crt", key_file=tmp_path / "tls.key")
    (tmp_path / "tls.crt").write_bytes(old.certificate)
    (tmp_path / "tls.key").write_bytes(old.key)
    context = server_context(tls)
    (tmp_path / "tls.crt").write_bytes(new.certificate)
    with pytest.raises(ConfigError):
        load_certificates(context, tls)
    assert served_certificate(context) == old.certificate.decode()
    (tmp_path / "tls.key").write_bytes(new.key)
    load_certificates(context, tls)
    assert served_certificate(context) == new.certificate.decode()
