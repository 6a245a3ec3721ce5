"""`dte interlink-api serve | check`."""

from pathlib import Path

import typer

from dte.interlink.api.daemon import serve_api
from dte.interlink.api.settings import ApiSettings
from dte.runtime import daemon_cli
from dte.runtime.errors import ConfigError
from dte.runtime.logs import level_of
from dte.runtime.settings import load_settings
from dte.runtime.tls import server_context

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def component() -> None:
    """The interLink API: takes pods from virtual kubelets, hands each to the sidecar of its account."""


@app.command()
def serve(config: daemon_cli.ConfigFile) -> None:
    """Serve until SIGTERM; requests in flight get StopTimeout seconds."""
    settings = daemon_cli.read_settings(ApiSettings, config)
    daemon_cli.run(
        lambda: serve_api(settings),
        level=level_of(verbose=settings.verbose_logging, errors_only=settings.errors_only_logging),
    )


@app.command()
def check(config: daemon_cli.ConfigFile) -> None:
    """Print every problem of the file and of the certificates that it names, and exit with 78; or say that it is ok."""
    if problems := _certificate_problems(config):
        typer.echo("\n".join(f"{config}: {problem}" for problem in problems), err=True)
        raise typer.Exit(daemon_cli.EXIT_CONFIG)
    daemon_cli.check(ApiSettings, config)


def _certificate_problems(config: Path) -> tuple[str, ...]:
    """What a start would say of the TLS files; nothing when the file itself is wrong, which is told apart."""
    try:
        settings = load_settings(ApiSettings, config).settings
    except ConfigError:
        return ()
    try:
        if settings.tls.enabled:
            server_context(settings.tls)
    except ConfigError as error:
        return error.problems
    return ()
