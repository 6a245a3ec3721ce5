"""Make a key for a service: on disk, and in the audit trail, before anybody is told it."""

from sqlalchemy import Connection

from dte.alise import audit, keys
from dte.alise.core import Core
from dte.alise.records import ApiKey


def store_key(
    connection: Connection, origin: audit.Origin, *, name: str, digest: str, now: int, lifetime_days: int
) -> ApiKey:
    """`lifetime_days` 0 is without end."""
    made = keys.add_key(
        connection,
        site=origin.site,
        name=name[:255],
        digest=digest,
        created_by=origin.actor[:512],
        now=now,
        expires_at=now + lifetime_days * 86400 if lifetime_days else None,
    )
    audit.record(connection, origin, "key_create", f"key {made.id} {made.name}", now)
    return made


async def make_key(core: Core, origin: audit.Origin, *, name: str, lifetime_days: int) -> str:
    """The key: it cannot be had again."""
    key, now = keys.new_key(), core.now
    digest = core.key_hash.digest(key)
    await core.write(
        lambda connection: store_key(connection, origin, name=name, digest=digest, now=now, lifetime_days=lifetime_days)
    )
    return key
