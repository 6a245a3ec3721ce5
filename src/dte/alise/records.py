"""What the tables hold, as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """What a provider proved about somebody, as far as we keep it."""

    issuer: str
    """Canonical."""
    subject: str
    display_name: str = ""
    email: str = ""
    username: str | None = None
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An internal identity of a site."""

    id: int
    site: str
    issuer: str
    subject: str
    username: str | None
    """None when the provider sent no such claim at the last login."""
    uid: int | None
    gid: int | None
    display_name: str
    email: str
    last_seen: int


@dataclass(frozen=True, slots=True)
class Identity:
    """An external identity that belongs to an account."""

    id: int
    account_id: int
    issuer: str
    subject: str
    display_name: str
    email: str
    linked_at: int
    last_seen: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """An account with all its external identities, in the order of linking."""

    account: Account
    identities: tuple[Identity, ...]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without the key: that exists only at its owner."""

    id: int
    site: str
    name: str
    created_by: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    revoked_at: int | None

    def state(self, now: float) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    at: int
    site: str
    action: str
    actor: str
    object: str
    client: str
    request_id: str
