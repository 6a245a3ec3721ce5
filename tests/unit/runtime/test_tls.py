"""Names of certificates as RFC 4514 writes them, and files that are replaced while a daemon runs."""

import contextlib
import ssl
from pathlib import Path

import pytest

from dte.runtime.errors import ConfigError
from dte.runtime.settings import TlsSettings
from dte.runtime.tls import PeerIdentity, identity_of, server_context
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
        context.renew(tls)
    assert served_certificate(context) == old.certificate.decode()
    (tmp_path / "tls.key").write_bytes(new.key)
    context.renew(tls)
    assert served_certificate(context) == new.certificate.decode()


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLObject:
    """The client's end after a handshake and a byte of the server's; raises what a refusal raises."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(back, there, session=session)
    far = server.wrap_bio(there, back, server_side=True)
    for end in (near, far, near, far):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    far.write(b"x")
    assert near.read(1) == b"x"
    return near


def trusting(authority: pki.Authority, directory: Path) -> ssl.SSLContext:
    """A client with a certificate of `authority`."""
    pair = authority.issue(pki.subject("client"), usage=pki.CLIENT)
    (directory / "client.pem").write_bytes(pair.certificate + pair.key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.load_cert_chain(directory / "client.pem")
    return client


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ca_taken_out_of_the_bundle_is_trusted_no_longer(tmp_path: Path, version: ssl.TLSVersion) -> None:
    kept, removed = pki.make_authority("kept"), pki.make_authority("removed")
    own = kept.issue(pki.subject("server"), usage=pki.SERVER)
    files = {"tls.crt": own.certificate, "tls.key": own.key, "ca.pem": kept.certificate + removed.certificate}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    tls = TlsSettings(cert_file=tmp_path / "tls.crt", key_file=tmp_path / "tls.key", ca_cert_file=tmp_path / "ca.pem")
    server, client = server_context(tls), trusting(removed, tmp_path)
    client.maximum_version = version
    session = handshake(server, client).session
    assert handshake(server, client, session).session_reused
    (tmp_path / "ca.pem").write_bytes(kept.certificate)
    server.renew(tls)
    for old in (None, session):
        with pytest.raises(ssl.SSLError):
            handshake(server, client, old)
    assert handshake(server, trusting(kept, tmp_path))
