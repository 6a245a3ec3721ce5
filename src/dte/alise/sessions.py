"""Browsers and their logins under way: rows that a cookie or a `state` names, by their hashes."""

import hashlib
import secrets
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, delete, insert, select

from dte.alise.schema import PENDING_LOGIN, WEB_SESSION

PENDING_LIFE_S = 600
MAX_PENDING = 8
"""Logins under way in one browser: tabs."""
TOKEN_BYTES = 32

_SESSION_COLUMNS = (
    WEB_SESSION.c.digest, WEB_SESSION.c.csrf, WEB_SESSION.c.account_id, WEB_SESSION.c.is_admin,
    WEB_SESSION.c.expires_at,
)  # fmt: skip
_PENDING_COLUMNS = (
    PENDING_LOGIN.c.provider, PENDING_LOGIN.c.site, PENDING_LOGIN.c.purpose, PENDING_LOGIN.c.nonce,
    PENDING_LOGIN.c.verifier, PENDING_LOGIN.c.return_to,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Session:
    """A browser. `account_id` is the one internal identity that it proved; None before."""

    digest: str
    csrf: str = field(repr=False)
    account_id: int | None
    is_admin: bool
    expires_at: int


@dataclass(frozen=True, slots=True)
class Pending:
    """A login under way. `purpose` is `login` or `link`; `return_to` is a path of ours."""

    provider: str
    site: str
    purpose: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    return_to: str


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def new_session(
    connection: Connection, *, now: int, life_s: int, account_id: int | None = None, is_admin: bool = False
) -> tuple[str, Session]:
    """The cookie's value, told once, and the session."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session = Session(digest_of(token), secrets.token_urlsafe(TOKEN_BYTES), account_id, is_admin, now + life_s)
    connection.execute(
        insert(WEB_SESSION).values(
            digest=session.digest, csrf=session.csrf, account_id=account_id, is_admin=is_admin,
            expires_at=session.expires_at,
        )
    )  # fmt: skip
    return token, session


def find_session(connection: Connection, token: str, now: int) -> Session | None:
    """None for an unknown or expired one."""
    mine = and_(WEB_SESSION.c.digest == digest_of(token), WEB_SESSION.c.expires_at > now)
    row = connection.execute(select(*_SESSION_COLUMNS).where(mine)).first()
    return None if row is None else Session(*row)


def end_session(connection: Connection, digest: str) -> None:
    """Forget a browser and its logins under way."""
    connection.execute(delete(PENDING_LOGIN).where(PENDING_LOGIN.c.session_digest == digest))
    connection.execute(delete(WEB_SESSION).where(WEB_SESSION.c.digest == digest))


def put_pending(connection: Connection, session: Session, state: str, pending: Pending, now: int) -> None:
    """Remember where a browser was sent; beyond eight its oldest are forgotten."""
    mine = PENDING_LOGIN.c.session_digest == session.digest
    newest = select(PENDING_LOGIN.c.state_digest).where(mine).order_by(PENDING_LOGIN.c.expires_at.desc())
    surplus = connection.execute(newest.offset(MAX_PENDING - 1)).scalars().all()
    if surplus:
        connection.execute(delete(PENDING_LOGIN).where(PENDING_LOGIN.c.state_digest.in_(surplus)))
    values = {column.name: getattr(pending, column.name) for column in _PENDING_COLUMNS}
    connection.execute(
        insert(PENDING_LOGIN).values(
            state_digest=digest_of(state), session_digest=session.digest, expires_at=now + PENDING_LIFE_S, **values
        )
    )


def take_pending(connection: Connection, session: Session, state: str, provider: str, now: int) -> Pending | None:
    """The login that `state` names, if this browser began it there and nobody took it before. Works once."""
    mine = and_(
        PENDING_LOGIN.c.state_digest == digest_of(state),
        PENDING_LOGIN.c.session_digest == session.digest,
        PENDING_LOGIN.c.provider == provider,
        PENDING_LOGIN.c.expires_at > now,
    )
    row = connection.execute(delete(PENDING_LOGIN).where(mine).returning(*_PENDING_COLUMNS)).first()
    return None if row is None else Pending(*row)


def forget_expired(connection: Connection, now: int) -> int:
    """Drop what has expired; returns the number of browsers forgotten."""
    connection.execute(delete(PENDING_LOGIN).where(PENDING_LOGIN.c.expires_at <= now))
    return connection.execute(delete(WEB_SESSION).where(WEB_SESSION.c.expires_at <= now)).rowcount
