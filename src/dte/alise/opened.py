"""Open what a configuration names: for the daemon, and for commands that work beside it."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from dte.alise.core import Core
from dte.alise.keys import load_key_hash
from dte.alise.providers import Provider, Providers, providers_of
from dte.alise.settings import AliseSettings
from dte.identity import JsonClient
from dte.runtime.database import Database
from dte.runtime.errors import ConfigError
from dte.runtime.migrations import upgrade
from dte.runtime.tls import server_context

MIGRATIONS = Path(__file__).with_name("migrations")


@contextlib.contextmanager
def opened_database(settings: AliseSettings) -> Iterator[Database]:
    """At the schema of this release. Raises ConfigError with what to do when it cannot be used."""
    database = Database(settings.database_url())
    try:
        upgrade(database, MIGRATIONS)
        yield database
    finally:
        database.close()


@contextlib.asynccontextmanager
async def opened_core(settings: AliseSettings) -> AsyncIterator[Core]:
    """All that the daemon's routes need. Providers are not asked for anything yet. Raises ConfigError."""
    providers = providers_of(settings)
    key_hash = load_key_hash(settings.server.key_hash_secret_file, settings.server.state_directory)
    contexts = client_contexts(providers)
    async with contextlib.AsyncExitStack() as stack:
        database = stack.enter_context(opened_database(settings))
        http = {
            name: await stack.enter_async_context(JsonClient(ssl_context=context)) for name, context in contexts.items()
        }
        core = Core(settings, providers, database, key_hash, http)
        yield core
        await core.write_key_uses()


def client_contexts(providers: Providers) -> dict[str, ssl.SSLContext]:
    """How each provider's certificate is verified. Raises ConfigError with every file that does not fit."""
    problems: list[str] = []
    contexts = {name: _context(provider, problems) for name, provider in providers.by_name.items()}
    if problems:
        raise ConfigError(problems)
    return contexts


def _context(provider: Provider, problems: list[str]) -> ssl.SSLContext:
    path = provider.settings.ca_file
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        problems.append(f"auth.{provider.name}.ca_file: cannot use {path}: {error}")
        return ssl.create_default_context()


def problems_of_files(settings: AliseSettings) -> list[str]:
    """What a start would say of the files that the configuration names, without touching the database."""
    problems: list[str] = []
    for attempt in (
        lambda: client_contexts(providers_of(settings)),
        settings.database_url,
        lambda: [server_context(tls) for tls in (settings.server.tls(),) if tls],
        lambda: privacy_text(settings.server.privacy_file),
    ):
        try:
            attempt()
        except ConfigError as error:
            problems += error.problems
    return problems


def privacy_text(path: Path | None) -> str:
    """The site's own text for the privacy page; empty when there is none. Raises ConfigError."""
    if path is None:
        return ""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"server.privacy_file: cannot read {path}: {error}"]) from error
