"""Issuers and subjects as clients write them into a path: several spellings, one meaning (docs/wire/alise.md). Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, unquote_plus

from dte.identity import canonical_issuer
from dte.identity.tokens import is_subject

MAX_ISSUER_LENGTH = 2048


def sha1_hex(text: str) -> str:
    """Upstream's short form of an issuer; names one of a known list, protects nothing."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def issuer_digests(issuers: Iterable[str]) -> dict[str, str]:
    """Digest -> canonical issuer; with and without a trailing slash, with and without a shell's newline."""
    return {
        sha1_hex(canonical_issuer(issuer) + slash + newline): canonical_issuer(issuer)
        for issuer in issuers
        for slash in ("", "/")
        for newline in ("", "\n")
    }


def issuer_in(raw: str, digests: Mapping[str, str]) -> str | None:
    """The canonical issuer that a raw segment means; None for one that we do not know.

    A digest in any case, or the issuer percent-encoded once or twice.
    """
    by_digest = digests.get(raw.lower())
    if by_digest is not None:
        return by_digest
    known = frozenset(digests.values())
    once = unquote_plus(raw)
    for spelling in (once, unquote_plus(once)):
        if len(spelling) <= MAX_ISSUER_LENGTH and canonical_issuer(spelling) in known:
            return canonical_issuer(spelling)
    return None


def subject_candidates(raw: str) -> tuple[str, ...]:
    """What a raw segment may mean, the likeliest first: decoded once, `+` as space, decoded twice.

    What no subject can be (beyond 255 characters, not printable ASCII) is left out.
    """
    once = unquote(raw)
    spellings = (once, unquote_plus(raw), unquote(once))
    return tuple(dict.fromkeys(spelling for spelling in spellings if is_subject(spelling)))


def split_identity(raw: str) -> tuple[str, str] | None:
    """`SUB@ISS` of the deprecated route as raw parts, split at the last `@`; None without one."""
    subject, at, issuer = raw.rpartition("@")
    return (subject, issuer) if at and subject and issuer else None
