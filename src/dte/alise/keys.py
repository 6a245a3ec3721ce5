"""API keys: random, shown once, kept as a keyed hash."""

import hashlib
import hmac
import secrets
import string
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, bindparam, insert, select, update

from dte.alise.records import ApiKey
from dte.alise.schema import API_KEY
from dte.runtime.errors import ConfigError, Conflict, NotFound
from dte.runtime.files import write_atomic

KEY_LENGTH = 32
"""Lower-case letters, as upstream's keys: 150 bits."""
SECRET_BYTES = 32
SECRET_FILE = "key-hash-secret"  # noqa: S105  (its name)
MIN_SECRET_BYTES = 16

_COLUMNS = (
    API_KEY.c.id, API_KEY.c.site, API_KEY.c.name, API_KEY.c.created_by, API_KEY.c.created_at, API_KEY.c.expires_at,
    API_KEY.c.last_used_at, API_KEY.c.revoked_at,
)  # fmt: skip
_BY_DIGEST = select(API_KEY.c.id, API_KEY.c.name, API_KEY.c.expires_at).where(
    API_KEY.c.digest == bindparam("digest"), API_KEY.c.site == bindparam("site"), API_KEY.c.revoked_at.is_(None)
)


class KeyHash:
    """HMAC-SHA256 with a secret that is not in the database: a copy of the database opens nothing."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def digest(self, key: str) -> str:
        return hmac.new(self._secret, key.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()


def load_key_hash(given: Path | None, state_directory: Path) -> KeyHash:
    """The hash of the secret in `given`, or in the state directory, where it is made at the first start.

    Raises ConfigError.
    """
    path = given or state_directory / SECRET_FILE
    try:
        if given is None and not path.exists():
            state_directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            write_atomic(path, secrets.token_bytes(SECRET_BYTES), 0o600)
        secret = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"server.key_hash_secret_file: cannot use {path}: {error.strerror}"]) from error
    if len(secret) < MIN_SECRET_BYTES:
        raise ConfigError([f"server.key_hash_secret_file: {path} has less than {MIN_SECRET_BYTES} bytes"])
    return KeyHash(secret)


def new_key() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(KEY_LENGTH))


def find_key(connection: Connection, site: str, digest: str, now: float) -> tuple[int, str] | None:
    """Id and name of a key that is good now; None for an unknown, expired or revoked one."""
    row = connection.execute(_BY_DIGEST, {"digest": digest, "site": site}).first()
    if row is None or (row[2] is not None and row[2] <= now):
        return None
    return int(row[0]), str(row[1])


def add_key(
    connection: Connection, *, site: str, name: str, digest: str, created_by: str, now: int, expires_at: int | None
) -> ApiKey:
    """Raises Conflict when this very key is known already."""
    values = {"site": site, "name": name, "digest": digest, "created_by": created_by, "created_at": now}
    row = connection.execute(insert(API_KEY).values(**values, expires_at=expires_at).returning(*_COLUMNS)).one()
    return ApiKey(*row)


def list_keys(connection: Connection, site: str | None = None) -> list[ApiKey]:
    """Of one site or of all, the oldest first."""
    wanted = select(*_COLUMNS).order_by(API_KEY.c.id)
    return [
        ApiKey(*row) for row in connection.execute(wanted if site is None else wanted.where(API_KEY.c.site == site))
    ]


def revoke_key(connection: Connection, site: str, key_id: int, now: int) -> ApiKey:
    """Make a key useless from now on. Raises NotFound, or Conflict for one that is revoked already."""
    row = connection.execute(select(*_COLUMNS).where(API_KEY.c.id == key_id, API_KEY.c.site == site)).first()
    if row is None:
        raise NotFound(f"site {site} has no key {key_id}")
    key = ApiKey(*row)
    if key.revoked_at is not None:
        raise Conflict(f"key {key_id} is revoked already")
    connection.execute(update(API_KEY).where(API_KEY.c.id == key_id).values(revoked_at=now))
    return key


def record_use(connection: Connection, used_at: Mapping[int, int]) -> None:
    """Note when keys were used last: id -> time."""
    for key_id, at in used_at.items():
        connection.execute(update(API_KEY).where(API_KEY.c.id == key_id).values(last_used_at=at))


def find_any(connection: Connection, digest: str) -> bool:
    """Is this key known, at any site and in any state?"""
    return connection.execute(select(API_KEY.c.id).where(API_KEY.c.digest == digest)).first() is not None
