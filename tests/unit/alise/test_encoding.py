"""Spellings of issuers and subjects: whatever a client writes comes back, and nothing breaks."""

from urllib.parse import quote, quote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from dte.alise.encoding import issuer_digests, issuer_in, sha1_hex, split_identity, subject_candidates

SUBJECTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60)
DIGESTS = issuer_digests(["https://idp.example.org/realms/demo", "https://iam.example.org/"])


@settings(max_examples=50, deadline=None)
@given(SUBJECTS)
def test_a_subject_encoded_once_or_twice_is_among_its_candidates(subject: str) -> None:
    once = quote(subject, safe="")
    assert subject in subject_candidates(once)
    assert subject in subject_candidates(quote_plus(subject))
    assert subject in subject_candidates(quote(once, safe=""))
    assert subject_candidates(once)[0] == subject


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_whatever_stands_in_a_path_gives_subjects_that_can_be_ones(raw: str) -> None:
    for candidate in subject_candidates(raw):
        assert 0 < len(candidate) <= 255
        assert candidate.isascii()
        assert candidate.isprintable()
    assert len(subject_candidates(raw)) <= 3
    assert issuer_in(raw, DIGESTS) is None


def test_the_published_digests() -> None:
    issuer = "https://idp.example.org/realms/demo"
    assert sha1_hex(issuer) == "cacf747aa0b06d924453aaf75ab14aa5430c0a2b"
    assert sha1_hex(issuer + "\n") == "11e162d2bdcdd0a281668bfc4e79685463d96882"
    assert sha1_hex(issuer + "/") == "3eb1d87d2f00dcf8323d9a5b9ac38400454e41be"


def test_a_slash_at_the_end_of_an_issuer_may_be_there_or_not() -> None:
    for spelling in ("https://iam.example.org", "https://iam.example.org/"):
        assert issuer_in(sha1_hex(spelling), DIGESTS) == "https://iam.example.org"
        assert issuer_in(quote(spelling, safe=""), DIGESTS) == "https://iam.example.org"
    assert issuer_in(quote("https://iam.example.org//", safe=""), DIGESTS) is None


def test_an_identity_is_split_at_its_last_at_sign() -> None:
    assert split_identity("a@b@c") == ("a@b", "c")
    assert [split_identity(text) for text in ("", "a", "@b", "a@")] == [None] * 4
