"""What the commands share: the open database of a configuration, and errors as lines."""

import contextlib
import getpass
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from dte.alise.audit import COMMAND_LINE, Origin
from dte.alise.keys import KeyHash, load_key_hash
from dte.alise.load import load_alise
from dte.alise.opened import opened_database
from dte.alise.providers import Provider, Providers, providers_of
from dte.alise.settings import AliseSettings
from dte.runtime import daemon_cli
from dte.runtime.database import Database
from dte.runtime.errors import ConfigError, DteError
from dte.runtime.logs import configure_logs

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="ALISE's configuration file; searched where upstream does if not given."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
SiteOption = Annotated[str, typer.Option(help="The site: NAME of an internal provider.")]


@dataclass(frozen=True, slots=True)
class Desk:
    """What an administrator works with."""

    settings: AliseSettings
    providers: Providers
    database: Database
    key_hash: KeyHash

    def now(self) -> int:
        return int(time.time())

    def origin(self, site: Provider) -> Origin:
        return Origin(site.name, f"{COMMAND_LINE} {_user()}")


def loaded(config: Path | None) -> AliseSettings:
    """The settings, or the end of the program with every problem on standard error."""
    configure_logs(logging.WARNING)
    return daemon_cli.or_exit(lambda: load_alise(config)).settings


@contextlib.contextmanager
def opened(settings: AliseSettings) -> Iterator[Desk]:
    """An open database; what cannot be done ends the program with a line on standard error."""
    try:
        providers = providers_of(settings)
        key_hash = load_key_hash(settings.server.key_hash_secret_file, settings.server.state_directory)
        with opened_database(settings) as database:
            yield Desk(settings, providers, database, key_hash)
    except ConfigError as error:
        typer.echo("\n".join(error.problems), err=True)
        raise typer.Exit(daemon_cli.EXIT_CONFIG) from error
    except DteError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def site_of(desk: Desk, name: str) -> Provider:
    """Raises ConfigError with the sites there are."""
    site = desk.providers.site(name)
    if site is None:
        known = ", ".join(provider.name for provider in desk.providers.sites())
        raise ConfigError([f"no site {name}: there is {known}"])
    return site


def printed(work: Callable[[], Iterable[str]]) -> None:
    """Print each line of `work`."""
    for line in work():
        typer.echo(line)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _user() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
