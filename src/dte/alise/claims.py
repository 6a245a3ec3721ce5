"""What we keep of a provider's claims. Pure."""

from collections.abc import Mapping
from typing import Any

from dte.alise.providers import Provider
from dte.alise.records import Person
from dte.identity.tokens import subject_of

MAX_TEXT = 255
MAX_ID = 2**32 - 2
"""The last uid_t that is one; the very last means "none"."""


def person_from(claims: Mapping[str, Any], provider: Provider) -> Person:
    """`claims` are verified. Raises InvalidToken without a usable `sub`.

    A user name that cannot be a local account's is as good as none: `username` is then null for services.
    """
    item = provider.settings
    return Person(
        issuer=provider.issuer,
        subject=subject_of(claims),
        display_name=_text(claims.get("name")),
        email=_text(claims.get("email")),
        username=_username(claims.get(item.username_claim)) if provider.is_internal else None,
        uid=_number(claims.get(item.uid_claim)) if item.uid_claim else None,
        gid=_number(claims.get(item.gid_claim)) if item.gid_claim else None,
    )


def _text(value: object) -> str:
    """At most 255 printable characters of what should be a short text."""
    if not isinstance(value, str):
        return ""
    return "".join(char for char in value[: MAX_TEXT * 4] if char.isprintable())[:MAX_TEXT]


def _username(value: object) -> str | None:
    usable = isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()
    return str(value) if usable and not set(str(value)) & set("/: ") and not str(value).startswith("-") else None


def _number(value: object) -> int | None:
    """A number, or its digits: providers disagree."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= MAX_ID else None
