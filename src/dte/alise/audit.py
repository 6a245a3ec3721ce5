"""Who changed what: a row in the database in the same transaction as the change, and a line in the journal."""

from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection, insert, or_, select

from dte.alise.records import AuditEntry
from dte.alise.schema import AUDIT

log = structlog.get_logger("dte-audit")

COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from."""

    site: str
    actor: str
    """`issuer subject`, or the command line and its user."""
    client: str = "local"
    request_id: str = ""


def record(connection: Connection, origin: Origin, action: str, subject: str, now: int) -> None:
    """`subject` is what was acted on: an identity, a key's id and name."""
    entry = AuditEntry(now, origin.site, action, origin.actor, subject, origin.client, origin.request_id)
    stored = replace(entry, actor=entry.actor[:512], object=entry.object[:1024], client=entry.client[:64])
    connection.execute(insert(AUDIT).values(**{name: getattr(stored, name) for name in AuditEntry.__slots__}))
    log.info(f"audit_{action}", audit=True, site=origin.site, actor=origin.actor, object=subject, client=origin.client)


def lookup_facts(*, site: str, service: str, issuer: str, subject: str, found: str | None) -> dict[str, object]:
    """For the request's own log line: a service asked about somebody. `found` is the account's subject, if any."""
    return {"audit": True, "site": site, "service": service, "issuer": issuer, "subject": subject, "account": found}


def entries(connection: Connection, site: str, words: str = "", *, limit: int = 200) -> list[AuditEntry]:
    """The newest first; with `words` only those whose actor, object or action hold them."""
    columns = [AUDIT.c[name] for name in AuditEntry.__slots__]
    wanted = select(*columns).where(AUDIT.c.site == site)
    if words:
        holding = (
            column.icontains(words, autoescape=True) for column in (AUDIT.c.actor, AUDIT.c.object, AUDIT.c.action)
        )
        wanted = wanted.where(or_(*holding))
    return [AuditEntry(*row) for row in connection.execute(wanted.order_by(AUDIT.c.id.desc()).limit(limit))]
