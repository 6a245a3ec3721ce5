"""`dte alise links list | remove`."""

from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import Connection

from dte.alise import audit, links
from dte.alise.commands.common import ConfigOption, JsonOption, SiteOption, loaded, opened, print_json, site_of
from dte.alise.records import Mapping
from dte.identity import canonical_issuer
from dte.runtime.errors import NotFound

links_app = typer.Typer(no_args_is_help=True, help="Accounts and the identities linked to them.")


@links_app.command(name="list")
def list_(
    site: SiteOption,
    config: ConfigOption = None,
    search: Annotated[str, typer.Option(help="Only where a name, subject or e-mail holds this.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many accounts.")] = 100,
    json: JsonOption = False,
) -> None:
    """Accounts, the newest login first, with their identities."""
    with opened(loaded(config)) as desk:
        provider = site_of(desk, site)
        found = desk.database.read_now(lambda connection: links.search(connection, provider.name, search, limit=limit))
    if json:
        print_json([asdict(mapping) for mapping in found])
        return
    for mapping in found:
        typer.echo(f"{mapping.account.username or '-'}  {mapping.account.subject}  {mapping.account.display_name}")
        for identity in mapping.identities:
            typer.echo(f"    {identity.issuer}  {identity.subject}  {identity.display_name}")


@links_app.command()
def remove(
    site: SiteOption,
    issuer: Annotated[str, typer.Option(help="Issuer of the external identity.")],
    subject: Annotated[str, typer.Option(help="Its subject.")],
    config: ConfigOption = None,
) -> None:
    """Unlink an external identity from whichever account has it. Services hear of it at their next question."""
    with opened(loaded(config)) as desk:
        provider = site_of(desk, site)
        now = desk.now()

        def work(connection: Connection) -> Mapping:
            mapping = links.find_by_external(
                connection, site=provider.name, site_issuer=provider.issuer, issuer=canonical_issuer(issuer),
                subjects=(subject,),
            )  # fmt: skip
            if mapping is None:
                raise NotFound(f"{subject} of {issuer} is not linked at site {site}")
            wanted = (canonical_issuer(issuer), subject)
            (identity,) = (item for item in mapping.identities if (item.issuer, item.subject) == wanted)
            links.unlink(connection, mapping.account.id, identity.id)
            audit.record(connection, desk.origin(provider), "unlink", f"{identity.issuer} {identity.subject}", now)
            return mapping

        mapping = desk.database.write_now(work)
    typer.echo(f"unlinked {subject} from account {mapping.account.username or mapping.account.subject}")
