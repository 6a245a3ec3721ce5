"""Upstream's database comes in, a file of mappings goes out."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dte.alise.commands.common import Desk
from dte.alise.commands.transfer import export_links, import_file
from dte.alise.keys import list_keys
from dte.runtime.errors import ConfigError, NotFound
from tests.unit.alise.conftest import LOGIN_AT
from tests.unit.alise.site import DEMO, FAC, Site

SCHEMA = """
CREATE TABLE int_user(session_id TEXT, identity TEXT, provider TEXT, jsonstr JSON, last_seen INTEGER);
CREATE TABLE ext_user(session_id TEXT, identity TEXT, provider TEXT, jsonstr JSON, last_seen INTEGER);
CREATE TABLE sites(name TEXT, comment TEXT);
CREATE TABLE apikeys(ownername TEXT, owneremail TEXT, sub TEXT, iss TEXT, apikey TEXT);
"""


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """Two accounts; one identity claimed by both; an orphan; a provider that is gone; a subject with colons."""
    path = tmp_path / "alise_fac.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
        for table, session, identity in (
            ("int_user", "fac:alice", "fac:alice"),
            ("int_user", "fac:bob", "fac:bob"),
            ("ext_user", "fac:alice", "demo:urn:x:1"),
            ("ext_user", "fac:alice", "demo:shared"),
            ("ext_user", "fac:bob", "demo:shared"),
            ("ext_user", "demo:orphan", "demo:orphan"),
            ("ext_user", "fac:bob", "gone:z"),
        ):
            name = identity.rpartition(":")[2]
            claims = {"display_name": name.title(), "preferred_username": f"{name}1", "generated_username": "x"}
            database.execute(
                f"INSERT INTO {table} VALUES (?, ?, '', ?, ?)", (session, identity, json.dumps(claims), LOGIN_AT)
            )
        database.execute("INSERT INTO apikeys VALUES ('Alice', 'a@x', 'alice', ?, 'clearclearclear')", (FAC,))
    return path


def desk(site: Site) -> Desk:
    return Desk(site.core.settings, site.providers, site.database, site.core.key_hash)


def test_accounts_links_and_keys_are_taken_over_once(empty_site: Site, upstream: Path) -> None:
    fac = empty_site.providers.by_name["fac"]
    for expected in ("linked 2, known before 0, keys 1", "linked 0, known before 2, keys 0"):
        lines = list(import_file(desk(empty_site), fac, upstream, with_keys=True, dry_run=False))
        assert expected in lines[-1]
    left_out = "\n".join(lines)
    assert "demo:shared: belongs to another account already" in left_out
    assert "demo:orphan: its account is missing" in left_out
    assert "gone:z: no external provider of this name" in left_out
    assert [key.name for key in empty_site.database.read_now(list_keys)] == ["Alice"]
    assert list(export_links(desk(empty_site), fac, DEMO)) == ["alice1 urn:x:1", "alice1 shared"]


async def test_what_was_taken_over_is_answered(empty_site: Site, upstream: Path) -> None:
    import_file(desk(empty_site), empty_site.providers.by_name["fac"], upstream, with_keys=True, dry_run=False)
    path = "/api/v1/target/fac/mapping/issuer/cacf747aa0b06d924453aaf75ab14aa5430c0a2b/user/urn%3Ax%3A1"
    status, _, body = await empty_site.get(f"{path}?apikey=clearclearclear")
    assert (status, json.loads(body)["internal"]["username"]) == (200, "alice1")


def test_a_dry_run_writes_nothing_and_another_file_is_refused(empty_site: Site, upstream: Path, tmp_path: Path) -> None:
    fac = empty_site.providers.by_name["fac"]
    lines = list(import_file(desk(empty_site), fac, upstream, with_keys=True, dry_run=True))
    assert lines[-1] == "would take over 2 accounts with 2 identities"
    assert list(export_links(desk(empty_site), fac, "")) == []
    (tmp_path / "other").write_text("no database")
    with pytest.raises(ConfigError, match="not a database of ALISE"):
        import_file(desk(empty_site), fac, tmp_path / "other", with_keys=False, dry_run=False)
    with pytest.raises(NotFound, match="no external provider"):
        export_links(desk(empty_site), fac, "https://nobody.example")
