"""Names of certificates as RFC 4514 writes them."""

from dte.runtime.tls import PeerIdentity, identity_of


def test_issuer_and_subject_are_written_last_name_first() -> None:
    certificate = {
        "issuer": ((("countryName", "SI"),), (("organizationName", "Lab, Inc"),), (("commonName", "CA"),)),
        "subject": ((("commonName", "vk"), ("userId", "7")),),
    }
    assert identity_of(certificate) == PeerIdentity("CN=CA,O=Lab\\, Inc,C=SI", "CN=vk+UID=7")


def test_what_could_forge_another_name_is_escaped() -> None:
    certificate = {"issuer": (), "subject": ((("commonName", '#a,CN=admin" '),),)}
    assert identity_of(certificate).subject == 'CN=\\#a\\,CN=admin\\"\\ '
