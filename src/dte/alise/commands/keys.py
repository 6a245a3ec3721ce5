"""`dte alise keys list | create | revoke`."""

import time
from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import Connection

from dte.alise import audit, keys
from dte.alise.commands.common import ConfigOption, JsonOption, SiteOption, loaded, opened, print_json, site_of
from dte.alise.making import store_key
from dte.alise.records import ApiKey

keys_app = typer.Typer(no_args_is_help=True, help="API keys of services.")


@keys_app.command(name="list")
def list_(
    config: ConfigOption = None,
    site: Annotated[str, typer.Option(help="Of this site only.")] = "",
    json: JsonOption = False,
) -> None:
    """Names, ages and last uses. A key itself cannot be shown again."""
    with opened(loaded(config)) as desk:
        name = site_of(desk, site).name if site else None
        found = desk.database.read_now(lambda connection: keys.list_keys(connection, name))
        now = desk.now()
    if json:
        print_json([_shown(key, now) for key in found])
        return
    for key in found:
        used = f"used {_day(key.last_used_at)}" if key.last_used_at else "never used"
        ends = f"until {_day(key.expires_at)}" if key.expires_at else "without end"
        typer.echo(f"{key.id:>4}  {key.site}  {key.state(now):<8}{_day(key.created_at)} {ends}, {used}  {key.name}")


@keys_app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for, as teapot-prod.")],
    site: SiteOption,
    config: ConfigOption = None,
    days: Annotated[int, typer.Option(min=0, help="Lifetime; 0 is without end.")] = 0,
    json: JsonOption = False,
) -> None:
    """Make a key and print it: the only time that it is seen."""
    with opened(loaded(config)) as desk:
        provider = site_of(desk, site)
        key, now = keys.new_key(), desk.now()
        origin = desk.origin(provider)

        digest = desk.key_hash.digest(key)
        made = desk.database.write_now(
            lambda connection: store_key(connection, origin, name=name, digest=digest, now=now, lifetime_days=days)
        )
    if json:
        print_json({**_shown(made, now), "apikey": key})
    else:
        typer.echo(key)


@keys_app.command()
def revoke(
    key_id: Annotated[int, typer.Argument(metavar="ID", help="Number of the key, as `list` shows it.")],
    site: SiteOption,
    config: ConfigOption = None,
) -> None:
    """Make a key useless, at once and for good."""
    with opened(loaded(config)) as desk:
        provider = site_of(desk, site)
        now = desk.now()

        def work(connection: Connection) -> ApiKey:
            key = keys.revoke_key(connection, provider.name, key_id, now)
            audit.record(connection, desk.origin(provider), "key_revoke", f"key {key.id} {key.name}", now)
            return key

        key = desk.database.write_now(work)
    typer.echo(f"revoked key {key.id} ({key.name})")


def _shown(key: ApiKey, now: float) -> dict[str, object]:
    return {**asdict(key), "state": key.state(now)}


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
