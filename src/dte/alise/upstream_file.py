"""Upstream's SQLite file of one site: read whole, judged, and turned into rows of ours (docs/wire/alise.md)."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dte.alise.claims import person_from
from dte.alise.providers import Provider, Providers
from dte.alise.records import Person
from dte.identity.tokens import is_subject
from dte.runtime.errors import ConfigError


@dataclass(frozen=True, slots=True)
class UpstreamRow:
    """A row of `int_user` or `ext_user`."""

    session_id: str
    identity: str
    """`NAME:sub`."""
    claims: Mapping[str, Any]
    last_seen: int


@dataclass(frozen=True, slots=True)
class UpstreamKey:
    name: str
    owner: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UpstreamFile:
    internal: Sequence[UpstreamRow]
    external: Sequence[UpstreamRow]
    keys: Sequence[UpstreamKey]


@dataclass(frozen=True, slots=True)
class Found:
    """A person with the time of the last login there."""

    person: Person
    last_seen: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write: each account with its identities; and what is left out, one line each."""

    accounts: Sequence[tuple[Found, Sequence[Found]]]
    left_out: Sequence[str]


def read_upstream(path: Path) -> UpstreamFile:
    """Raises ConfigError when the file cannot be read as upstream's."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return UpstreamFile(
                tuple(_rows(database, "int_user")), tuple(_rows(database, "ext_user")), tuple(_keys(database))
            )
    except sqlite3.Error as error:
        raise ConfigError([f"{path}: not a database of ALISE: {error}"]) from error


def _rows(database: sqlite3.Connection, table: str) -> Iterable[UpstreamRow]:
    query = f"SELECT session_id, identity, jsonstr, last_seen FROM {table} ORDER BY rowid"  # noqa: S608  (our names)
    for session_id, identity, text, last_seen in database.execute(query):
        yield UpstreamRow(str(session_id), str(identity), _claims(text), int(last_seen or 0))


def _claims(text: object) -> Mapping[str, Any]:
    try:
        value = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _keys(database: sqlite3.Connection) -> Iterable[UpstreamKey]:
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'apikeys'").fetchall()
    if not tables:  # releases before December 2023
        return
    for name, email, sub, iss, key in database.execute("SELECT ownername, owneremail, sub, iss, apikey FROM apikeys"):
        if isinstance(key, str) and key:
            yield UpstreamKey(str(name or email or sub or "imported"), f"{iss or ''} {sub or ''}".strip(), key)


def plan_import(found: UpstreamFile, site: Provider, providers: Providers) -> Plan:
    """Pure. The newest row of an identity wins; the first account keeps an identity that two sessions have."""
    left_out: list[str] = []
    accounts: dict[str, Found] = {}
    for row in found.internal:
        person = _person(row, site, left_out) if row.identity.startswith(f"{site.name}:") else None
        if person is None:
            left_out.append(f"int_user {row.identity}: not an identity of site {site.name}")
        elif row.session_id not in accounts or accounts[row.session_id].last_seen <= row.last_seen:
            accounts[row.session_id] = Found(person, row.last_seen)
    linked: dict[str, dict[tuple[str, str], Found]] = {session: {} for session in accounts}
    owners: dict[tuple[str, str], str] = {}
    for row in found.external:
        problem = _take(row, providers, linked, owners, left_out)
        if problem:
            left_out.append(f"ext_user {row.identity}: {problem}")
    return Plan([(account, list(linked[session].values())) for session, account in accounts.items()], left_out)


def _take(
    row: UpstreamRow,
    providers: Providers,
    linked: dict[str, dict[tuple[str, str], Found]],
    owners: dict[tuple[str, str], str],
    left_out: list[str],
) -> str | None:
    """Put an external row to its account; says why it cannot be."""
    provider = providers.by_name.get(row.identity.partition(":")[0])
    if provider is None or provider.is_internal:
        return "no external provider of this name is configured"
    if row.session_id not in linked:
        return "its account is missing: a login without a facility account"
    person = _person(row, provider, left_out)
    if person is None:
        return "its subject cannot be one"
    key = (person.issuer, person.subject)
    if owners.setdefault(key, row.session_id) != row.session_id:
        return "belongs to another account already"
    linked[row.session_id][key] = Found(person, row.last_seen)
    return None


def _person(row: UpstreamRow, provider: Provider, left_out: list[str]) -> Person | None:
    subject = row.identity.partition(":")[2]
    if not is_subject(subject):
        left_out.append(f"{row.identity!r}: the subject is not 1 to 255 printable ASCII characters")
        return None
    claims = {"name": row.claims.get("display_name"), **row.claims, "sub": subject}
    if provider.settings.username_claim not in claims and row.claims.get("generated_username"):
        claims[provider.settings.username_claim] = row.claims["generated_username"]
    return person_from(claims, provider)
