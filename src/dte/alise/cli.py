"""`dte alise serve | check | keys ... | links ... | import | export | hashencode | urlencode`."""

import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote_plus

import typer

from dte.alise.commands import keys_app, links_app
from dte.alise.commands.common import ConfigOption, loaded, opened, printed, site_of
from dte.alise.commands.transfer import export_links, import_file
from dte.alise.encoding import sha1_hex
from dte.alise.ini import find_file
from dte.alise.load import load_alise
from dte.alise.opened import problems_of_files
from dte.runtime import daemon_cli

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(keys_app, name="keys")
app.add_typer(links_app, name="links")

Texts = Annotated[list[str] | None, typer.Argument(help="One answer for each; standard input without any.")]


@app.callback()
def component() -> None:
    """ALISE: users link federated identities to their accounts, services ask who is who."""


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Serve until SIGTERM; requests in flight get stop_timeout_s."""
    from dte.alise.daemon import serve_alise  # the framework takes a second that other commands need not wait for

    settings = daemon_cli.read_loaded(lambda: load_alise(config))
    daemon_cli.run(lambda: serve_alise(settings), level=settings.log_level())


@app.command()
def check(config: ConfigOption = None) -> None:
    """Print every problem of the file and of the files that it names, and exit with 78; or say that it is ok."""
    path = daemon_cli.or_exit(lambda: find_file(config))
    settings = loaded(path)
    if problems := problems_of_files(settings):
        typer.echo("\n".join(f"{path}: {problem}" for problem in problems), err=True)
        raise typer.Exit(daemon_cli.EXIT_CONFIG)
    daemon_cli.check_loaded(lambda: load_alise(path), path)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="Upstream's file of one site, alise_SITE.db.")],
    site: Annotated[str, typer.Option(help="The site that the file belongs to.")],
    config: ConfigOption = None,
    with_keys: Annotated[bool, typer.Option("--keys/--no-keys", help="Take over API keys too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
) -> None:
    """Take over accounts, links and, if asked, keys of an ALISE of upstream's. May be repeated."""
    settings = loaded(config)
    with opened(settings) as desk:
        provider = site_of(desk, site)
        printed(lambda: import_file(desk, provider, file, with_keys=with_keys, dry_run=dry_run))


@app.command()
def export(
    site: Annotated[str, typer.Option(help="The site whose links are written.")],
    config: ConfigOption = None,
    issuer: Annotated[str, typer.Option(help="Links of this issuer only.")] = "",
) -> None:
    """Write `username sub`, one a line, as teapot's FILE mapping reads them."""
    settings = loaded(config)
    with opened(settings) as desk:
        provider = site_of(desk, site)
        printed(lambda: export_links(desk, provider, issuer))


@app.command()
def hashencode(texts: Texts = None) -> None:
    """The SHA-1 of each text, in which an issuer may stand in a path."""
    for text in texts or [sys.stdin.read().removesuffix("\n")]:
        typer.echo(sha1_hex(text))


@app.command()
def urlencode(texts: Texts = None) -> None:
    """Each text form-encoded, as a subject stands in a path; an issuer is encoded twice."""
    for text in texts or [sys.stdin.read().removesuffix("\n")]:
        typer.echo(quote_plus(text))
