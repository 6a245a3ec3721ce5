"""Links in from upstream's database, and out as a file of mappings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from dte.alise import audit, keys, links
from dte.alise.commands.common import Desk
from dte.alise.providers import Provider
from dte.alise.upstream_file import Plan, UpstreamKey, plan_import, read_upstream
from dte.identity import canonical_issuer
from dte.runtime.errors import Conflict, NotFound


@dataclass(slots=True)
class Outcome:
    accounts: int = 0
    linked: int = 0
    known: int = 0
    keys: int = 0


def import_file(desk: Desk, site: Provider, path: Path, *, with_keys: bool, dry_run: bool) -> Iterable[str]:
    """Lines that say what was done; all of it happens or, at an error, nothing."""
    upstream = read_upstream(path)
    plan = plan_import(upstream, site, desk.providers)
    lines = [f"left out: {line}" for line in plan.left_out]
    if dry_run:
        count = sum(len(identities) for _, identities in plan.accounts)
        return [*lines, f"would take over {len(plan.accounts)} accounts with {count} identities"]

    def work(connection: Connection) -> Outcome:
        outcome = _write_links(connection, desk, site, plan, lines)
        if with_keys:
            _write_keys(connection, desk, site, upstream.keys, outcome)
        return outcome

    done = desk.database.write_now(work)
    lines.append(
        f"accounts {done.accounts}, identities linked {done.linked}, known before {done.known}, keys {done.keys}"
    )
    return lines


def _write_links(connection: Connection, desk: Desk, site: Provider, plan: Plan, lines: list[str]) -> Outcome:
    outcome = Outcome()
    for account, identities in plan.accounts:
        account_id = links.record_account(connection, site.name, account.person, account.last_seen)
        stored = links.account_by_id(connection, account_id)
        assert stored is not None, "written above"
        outcome.accounts += 1
        for found in identities:
            name = f"{found.person.issuer} {found.person.subject}"
            try:
                is_new = links.link(connection, stored, found.person, found.last_seen)
            except Conflict as error:
                lines.append(f"left out: {name}: {error}")
                continue
            if is_new:
                audit.record(connection, desk.origin(site), "import", name, desk.now())
            outcome.linked += is_new
            outcome.known += not is_new
    return outcome


def _write_keys(
    connection: Connection, desk: Desk, site: Provider, found: Sequence[UpstreamKey], outcome: Outcome
) -> None:
    for item in found:
        digest = desk.key_hash.digest(item.key)
        if keys.find_any(connection, digest):
            continue
        made = keys.add_key(
            connection, site=site.name, name=item.name[:255], digest=digest, created_by=item.owner[:512],
            now=desk.now(), expires_at=None,
        )  # fmt: skip
        audit.record(connection, desk.origin(site), "key_import", f"key {made.id} {made.name}", desk.now())
        outcome.keys += 1


def export_links(desk: Desk, site: Provider, issuer: str) -> Iterable[str]:
    """`username sub` for each link of an account that has a user name."""
    wanted = canonical_issuer(issuer) if issuer else None
    if wanted is not None and desk.providers.external_of(wanted) is None:
        raise NotFound(f"no external provider has the issuer {issuer}")
    rows = desk.database.read_now(lambda connection: list(links.all_links(connection, site.name, wanted)))
    configured = {provider.issuer for provider in desk.providers.external()}
    return [f"{username} {subject}" for username, row_issuer, subject in rows if username and row_issuer in configured]
