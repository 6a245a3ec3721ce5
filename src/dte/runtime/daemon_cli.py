"""What `dte COMPONENT serve` and `dte COMPONENT check` do, the same for every component."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import structlog
import typer

from dte.runtime.errors import ConfigError, DteError
from dte.runtime.logs import configure_logs
from dte.runtime.settings import Loaded, Settings, load_settings

log = structlog.get_logger()

S = TypeVar("S", bound=Settings)
T = TypeVar("T")
ConfigFile = Annotated[Path, typer.Option("--config", help="The daemon's configuration file.", show_default=False)]

EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h: the unit does not restart on it."""


def read_settings(model: type[S], config: Path) -> S:
    """Settings of `config`, warnings logged; ends the program with EX_CONFIG and every problem on standard error."""
    return read_loaded(lambda: load_settings(model, config))


def read_loaded(load: Callable[[], Loaded[S]]) -> S:
    """Like read_settings, for a file that `load` reads in its own format."""
    configure_logs()
    loaded = or_exit(load)
    for warning in loaded.warnings:
        log.warning("setting_unused", text=warning)
    return loaded.settings


def check(model: type[S], config: Path) -> None:
    """`dte COMPONENT check`: print warnings and problems; exit 0 only when the daemon would start on this file."""
    check_loaded(lambda: load_settings(model, config), config)


def check_loaded(load: Callable[[], Loaded[S]], config: Path) -> None:
    """Like check, for a file that `load` reads in its own format."""
    for warning in or_exit(load).warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"{config}: ok")


def run(serve: Callable[[], Awaitable[None]], *, level: int = logging.INFO) -> None:
    """Run a daemon to its end: exit 0 after a clean stop, EX_CONFIG for a bad setting, 1 for another stated fault."""
    configure_logs(level)
    try:
        asyncio.run(_as_coroutine(serve))
    except ConfigError as error:
        _print_problems(error)
        sys.exit(EXIT_CONFIG)
    except DteError as error:
        log.error("daemon_failed", error=str(error))
        sys.exit(1)


async def _as_coroutine(serve: Callable[[], Awaitable[None]]) -> None:
    await serve()


def or_exit(work: Callable[[], T]) -> T:
    """What `work` returns; a ConfigError ends the program with EX_CONFIG and its problems on standard error."""
    try:
        return work()
    except ConfigError as error:
        _print_problems(error)
        raise typer.Exit(EXIT_CONFIG) from error


def _print_problems(error: ConfigError) -> None:
    for problem in error.problems:
        typer.echo(problem, err=True)
