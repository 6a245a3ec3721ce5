"""Accounts and what is linked to them: statements on a connection, one transaction's worth each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from dte.alise.records import Account, Identity, Mapping, Person
from dte.alise.schema import ACCOUNT, API_KEY, IDENTITY
from dte.runtime.database import Database
from dte.runtime.errors import Conflict, NotFound

MAX_LINKS = 64
"""Per account; nobody has that many logins, and every look-up lists them all."""
_HIT = IDENTITY.alias("hit")

_ACCOUNT_COLUMNS: tuple[Column[Any], ...] = (
    ACCOUNT.c.id, ACCOUNT.c.site, ACCOUNT.c.issuer, ACCOUNT.c.subject, ACCOUNT.c.username, ACCOUNT.c.uid,
    ACCOUNT.c.gid, ACCOUNT.c.display_name, ACCOUNT.c.email, ACCOUNT.c.last_seen,
)  # fmt: skip
_IDENTITY_COLUMNS: tuple[Column[Any], ...] = (
    IDENTITY.c.id, IDENTITY.c.account_id, IDENTITY.c.issuer, IDENTITY.c.subject, IDENTITY.c.display_name,
    IDENTITY.c.email, IDENTITY.c.linked_at, IDENTITY.c.last_seen,
)  # fmt: skip
_WIDTH = len(_ACCOUNT_COLUMNS)

MAX_CANDIDATES = 3


def _one_of(column: ColumnElement[str]) -> ColumnElement[bool]:
    # Three parameters rather than an expanding list: the statement is compiled once.
    return or_(*(column == bindparam(f"subject{number}") for number in range(MAX_CANDIDATES)))


_BY_EXTERNAL: Select[Any] = (
    select(*_ACCOUNT_COLUMNS, *_IDENTITY_COLUMNS)
    .select_from(
        _HIT.join(ACCOUNT, ACCOUNT.c.id == _HIT.c.account_id).join(IDENTITY, IDENTITY.c.account_id == ACCOUNT.c.id)
    )
    .where(
        _HIT.c.site == bindparam("site"),
        _HIT.c.issuer == bindparam("issuer"),
        _one_of(_HIT.c.subject),
        ACCOUNT.c.issuer == bindparam("site_issuer"),
    )
    .order_by(IDENTITY.c.id)
)
_BY_INTERNAL: Select[Any] = (
    select(*_ACCOUNT_COLUMNS, *_IDENTITY_COLUMNS)
    .select_from(ACCOUNT.outerjoin(IDENTITY, IDENTITY.c.account_id == ACCOUNT.c.id))
    .where(ACCOUNT.c.site == bindparam("site"), ACCOUNT.c.issuer == bindparam("issuer"), _one_of(ACCOUNT.c.subject))
    .order_by(IDENTITY.c.id)
)


_BY_KEY: Select[Any] = (
    select(API_KEY.c.id, API_KEY.c.name, API_KEY.c.expires_at, *_ACCOUNT_COLUMNS, *_IDENTITY_COLUMNS)
    .select_from(
        API_KEY.outerjoin(
            _HIT, and_(_HIT.c.site == API_KEY.c.site, _HIT.c.issuer == bindparam("issuer"), _one_of(_HIT.c.subject))
        )
        .outerjoin(ACCOUNT, and_(ACCOUNT.c.id == _HIT.c.account_id, ACCOUNT.c.issuer == bindparam("site_issuer")))
        .outerjoin(IDENTITY, IDENTITY.c.account_id == ACCOUNT.c.id)
    )
    .where(API_KEY.c.digest == bindparam("digest"), API_KEY.c.site == bindparam("site"), API_KEY.c.revoked_at.is_(None))
    .order_by(IDENTITY.c.id)
)
_KEY_WIDTH = 3


class Ambiguous(Conflict):
    """One spelling of a subject means two identities of different accounts: neither is answered."""


def find_by_external(
    connection: Connection, *, site: str, site_issuer: str, issuer: str, subjects: Sequence[str]
) -> Mapping | None:
    """The account that an external identity belongs to; None when it is not linked. Raises Ambiguous."""
    values = {"site": site, "site_issuer": site_issuer, "issuer": issuer, **_subject_values(subjects)}
    return _one_mapping(connection.execute(_BY_EXTERNAL, values).all())


@dataclass(frozen=True, slots=True)
class KeyAnswer:
    """A good key, and what it was asked with."""

    key_id: int
    key_name: str
    mapping: Mapping | None


async def find_with_key(
    database: Database, digest: str, now: float, *, site: str, site_issuer: str, issuer: str, subjects: Sequence[str]
) -> KeyAnswer | None:
    """`keys.find_key` and `find_by_external` in one statement: the way of nearly every look-up.

    None for a key that is unknown, expired or revoked. Raises Ambiguous.
    """
    values = {"site": site, "site_issuer": site_issuer, "issuer": issuer, "digest": digest, **_subject_values(subjects)}
    rows = await database.rows_quick(_BY_KEY, values)
    if not rows or (rows[0][2] is not None and rows[0][2] <= now):
        return None
    linked = [row[_KEY_WIDTH:] for row in rows if row[_KEY_WIDTH] is not None]
    return KeyAnswer(int(rows[0][0]), str(rows[0][1]), _one_mapping(linked))


def find_by_internal(connection: Connection, *, site: str, issuer: str, subjects: Sequence[str]) -> Mapping | None:
    """The account of an internal identity, if anything is linked or not. Raises Ambiguous."""
    return _one_mapping(
        connection.execute(_BY_INTERNAL, {"site": site, "issuer": issuer, **_subject_values(subjects)}).all()
    )


def _subject_values(subjects: Sequence[str]) -> dict[str, str]:
    first = subjects[0] if subjects else ""  # no subject is empty
    padded = [*subjects, first, first, first][:MAX_CANDIDATES]
    return {f"subject{number}": subject for number, subject in enumerate(padded)}


def _one_mapping(rows: Sequence[Sequence[Any]]) -> Mapping | None:
    if not rows:
        return None
    if len({row[0] for row in rows}) > 1:
        raise Ambiguous("the subject means identities of several accounts")
    # Two spellings that hit the same account repeat its rows.
    linked = dict.fromkeys(tuple(row[_WIDTH:]) for row in rows if row[_WIDTH] is not None)
    return Mapping(Account(*rows[0][:_WIDTH]), tuple(Identity(*values) for values in linked))


def account_by_id(connection: Connection, account_id: int) -> Account | None:
    row = connection.execute(select(*_ACCOUNT_COLUMNS).where(ACCOUNT.c.id == account_id)).first()
    return None if row is None else Account(*row)


def identities_of(connection: Connection, account_id: int) -> list[Identity]:
    """In the order of linking."""
    rows = connection.execute(
        select(*_IDENTITY_COLUMNS).where(IDENTITY.c.account_id == account_id).order_by(IDENTITY.c.id)
    )
    return [Identity(*row) for row in rows]


def record_account(connection: Connection, site: str, person: Person, now: int) -> int:
    """The id of the account that just logged in, made at its first login; claims are refreshed."""
    seen = {
        "username": person.username, "uid": person.uid, "gid": person.gid, "display_name": person.display_name,
        "email": person.email, "last_seen": now,
    }  # fmt: skip
    same = and_(ACCOUNT.c.site == site, ACCOUNT.c.issuer == person.issuer, ACCOUNT.c.subject == person.subject)
    known = connection.execute(select(ACCOUNT.c.id).where(same)).scalar_one_or_none()
    if known is not None:
        # An import may bring older news than we have.
        connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == known, ACCOUNT.c.last_seen <= now).values(**seen))
        return int(known)
    row = {"site": site, "issuer": person.issuer, "subject": person.subject, "created_at": now, **seen}
    return int(connection.execute(insert(ACCOUNT).values(**row).returning(ACCOUNT.c.id)).scalar_one())


def link(connection: Connection, account: Account, person: Person, now: int) -> bool:
    """Give an external identity to the account; False when it had it already and was refreshed.

    Raises Conflict when it is another account's: the first owner keeps it.
    """
    same = and_(
        IDENTITY.c.site == account.site, IDENTITY.c.issuer == person.issuer, IDENTITY.c.subject == person.subject
    )
    known = connection.execute(select(IDENTITY.c.id, IDENTITY.c.account_id).where(same)).first()
    seen = {"display_name": person.display_name, "email": person.email, "last_seen": now}
    if known is not None:
        if known.account_id != account.id:
            raise Conflict("this identity is linked to another account of the site")
        connection.execute(
            update(IDENTITY).where(IDENTITY.c.id == known.id, IDENTITY.c.last_seen <= now).values(**seen)
        )
        return False
    count = connection.execute(select(func.count()).where(IDENTITY.c.account_id == account.id)).scalar_one()
    if count >= MAX_LINKS:
        raise Conflict(f"an account has at most {MAX_LINKS} linked identities: unlink one first")
    row = {"account_id": account.id, "site": account.site, "issuer": person.issuer, "subject": person.subject}
    connection.execute(insert(IDENTITY).values(**row, linked_at=now, **seen))
    return True


def unlink(connection: Connection, account_id: int, identity_id: int) -> Identity:
    """Take an identity from the account that has it. Raises NotFound when it has no such identity."""
    mine = and_(IDENTITY.c.id == identity_id, IDENTITY.c.account_id == account_id)
    row = connection.execute(delete(IDENTITY).where(mine).returning(*_IDENTITY_COLUMNS)).first()
    if row is None:
        raise NotFound("this identity is not linked to the account any more")
    return Identity(*row)


def search(connection: Connection, site: str, words: str, *, limit: int = 100) -> list[Mapping]:
    """Accounts whose name, subject, display name or e-mail, or those of an identity of theirs, hold `words`.

    Newest login first, at most `limit`; with no words the newest of all.
    """
    found = select(ACCOUNT.c.id).where(ACCOUNT.c.site == site)
    if words:
        mine = [ACCOUNT.c.username, ACCOUNT.c.subject, ACCOUNT.c.display_name, ACCOUNT.c.email]
        theirs = [IDENTITY.c.subject, IDENTITY.c.display_name, IDENTITY.c.email]
        holders = select(IDENTITY.c.account_id).where(
            IDENTITY.c.site == site, or_(*(column.icontains(words, autoescape=True) for column in theirs))
        )
        own = (column.icontains(words, autoescape=True) for column in mine)
        found = found.where(or_(*own, ACCOUNT.c.id.in_(holders)))
    newest = found.order_by(ACCOUNT.c.last_seen.desc(), ACCOUNT.c.id).limit(limit)
    ids = list(connection.execute(newest).scalars())
    rows = connection.execute(
        select(*_ACCOUNT_COLUMNS, *_IDENTITY_COLUMNS)
        .select_from(ACCOUNT.outerjoin(IDENTITY, IDENTITY.c.account_id == ACCOUNT.c.id))
        .where(ACCOUNT.c.id.in_(ids))
        .order_by(IDENTITY.c.id)
    ).all()
    grouped = {account_id: [row for row in rows if row[0] == account_id] for account_id in ids}
    return [mapping for group in grouped.values() if (mapping := _one_mapping(group)) is not None]


def all_links(connection: Connection, site: str, issuer: str | None = None) -> Iterable[tuple[str | None, str, str]]:
    """(local user name, issuer, subject) of every link of a site, sorted by name; optionally of one issuer."""
    wanted = select(ACCOUNT.c.username, IDENTITY.c.issuer, IDENTITY.c.subject).where(
        IDENTITY.c.site == site, IDENTITY.c.account_id == ACCOUNT.c.id
    )
    if issuer is not None:
        wanted = wanted.where(IDENTITY.c.issuer == issuer)
    for row in connection.execute(wanted.order_by(ACCOUNT.c.username, IDENTITY.c.id)):
        yield row[0], row[1], row[2]
