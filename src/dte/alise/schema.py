"""The tables. Times are Unix seconds; issuers are canonical (without a trailing slash). Migrations make them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

METADATA = MetaData()

_ID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column that is exactly INTEGER."""

ACCOUNT = Table(
    "account",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("site", String(64), nullable=False),
    Column("issuer", String(2048), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("username", String(255)),
    Column("uid", BigInteger),
    Column("gid", BigInteger),
    Column("display_name", String(255), nullable=False),
    Column("email", String(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    UniqueConstraint("site", "issuer", "subject", name="account_identity"),
    Index("account_username", "site", "username"),
)
"""Internal identities: one row for each local account that ever logged in."""

IDENTITY = Table(
    "identity",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("account_id", _ID, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("site", String(64), nullable=False),
    Column("issuer", String(2048), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("display_name", String(255), nullable=False),
    Column("email", String(255), nullable=False),
    Column("linked_at", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    UniqueConstraint("site", "issuer", "subject", name="identity_once"),
    Index("identity_account", "account_id"),
)
"""External identities: each belongs to one account of a site at most."""

API_KEY = Table(
    "api_key",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("site", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_by", String(512), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
)
"""`digest` is a keyed hash: whoever reads the table cannot use a key."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("site", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("actor", String(512), nullable=False),
    Column("object", String(1024), nullable=False),
    Column("client", String(64), nullable=False),
    Column("request_id", String(200), nullable=False),
    Index("audit_site", "site", "id"),
)
"""What changed a link or a key, and by whom. Look-ups are in the journal alone: there are too many."""

WEB_SESSION = Table(
    "web_session",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("csrf", String(64), nullable=False),
    Column("account_id", _ID, ForeignKey("account.id", ondelete="CASCADE")),
    Column("is_admin", Boolean, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("web_session_expiry", "expires_at"),
)
"""A browser. Its cookie is random; here is the cookie's SHA-256."""

PENDING_LOGIN = Table(
    "pending_login",
    METADATA,
    Column("state_digest", String(64), primary_key=True),
    Column("session_digest", String(64), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("site", String(64), nullable=False),
    Column("purpose", String(8), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("return_to", String(512), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("pending_login_session", "session_digest"),
    Index("pending_login_expiry", "expires_at"),
)
"""A browser that was sent to a provider and is expected back, once, within ten minutes."""
