"""`dte virtual-kubelet serve | check`."""

import asyncio
from pathlib import Path

import typer

from dte.interlink.virtual_kubelet.daemon import run
from dte.interlink.virtual_kubelet.login import api_client
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.runtime import daemon_cli
from dte.runtime.errors import ConfigError
from dte.runtime.logs import level_of
from dte.runtime.settings import load_settings
from dte.runtime.tls import client_context, server_context

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def component() -> None:
    """The virtual kubelet: one node of a Kubernetes cluster whose pods are jobs of a site."""


@app.command()
def serve(config: daemon_cli.ConfigFile) -> None:
    """Serve until SIGTERM. The pods of the node go on without it; the next start adopts them."""
    settings = daemon_cli.read_settings(VirtualKubeletSettings, config)
    daemon_cli.run(
        lambda: run(settings),
        level=level_of(verbose=settings.verbose_logging, errors_only=settings.errors_only_logging),
    )


@app.command()
def check(config: daemon_cli.ConfigFile) -> None:
    """Print every problem of the file, and of the certificates and kubeconfig that it names, and exit with 78."""
    if problems := file_problems(config):
        typer.echo("\n".join(f"{config}: {problem}" for problem in problems), err=True)
        raise typer.Exit(daemon_cli.EXIT_CONFIG)
    daemon_cli.check(VirtualKubeletSettings, config)


def file_problems(config: Path) -> tuple[str, ...]:
    """What a start would say of the files named in `config`; nothing when `config` itself is wrong, told apart."""
    try:
        settings = load_settings(VirtualKubeletSettings, config).settings
    except ConfigError:
        return ()
    problems: list[str] = []
    for test in (_kubelet_files, _interlink_files, _login_files):
        try:
            test(settings)
        except ConfigError as error:
            problems.extend(error.problems)
    return tuple(problems)


def _kubelet_files(settings: VirtualKubeletSettings) -> None:
    server_context(settings.kubelet_tls)


def _interlink_files(settings: VirtualKubeletSettings) -> None:
    if settings.interlink_tls is not None:
        client_context(settings.interlink_tls)


def _login_files(settings: VirtualKubeletSettings) -> None:
    async def log_in() -> None:
        async with api_client(settings.kubeconfig_file):
            pass

    if settings.kubeconfig_file is not None:
        asyncio.run(log_in())
