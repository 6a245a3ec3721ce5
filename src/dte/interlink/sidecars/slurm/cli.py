"""`dte interlink-slurm serve | check | jobs`."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import structlog
import typer

from dte.runtime import daemon_cli
from dte.runtime.daemon_cli import ConfigFile
from dte.runtime.logs import configure_logs, level_of
from dte.runtime.service import Daemon, Listener
from dte.runtime.service import serve as serve_daemon
from dte.runtime.settings import load_settings

from .commands import SlurmCommands
from .job_files import JobFiles
from .listing import ListedJob, as_json, screen, table
from .routes import routes
from .settings import SlurmSettings
from .sidecar import SlurmSidecar

log = structlog.get_logger()

app = typer.Typer(no_args_is_help=True, help="The sidecar of one Slurm account: pods in, batch jobs out.")

ALL_FLAGS_WARNING: Final = "FlagsAllowed is not set: a pod may set any sbatch option that is not refused"
WATCH_INTERVAL_S: Final = 2.0


@app.command()
def serve(config: ConfigFile) -> None:
    """Run the sidecar until SIGTERM."""
    settings = daemon_cli.read_settings(SlurmSettings, config)
    daemon_cli.run(
        lambda: run_sidecar(settings),
        level=level_of(verbose=settings.verbose_logging, errors_only=settings.errors_only_logging),
    )


@app.command()
def check(config: ConfigFile) -> None:
    """Say whether the sidecar would start on this file, and what it would warn about."""
    daemon_cli.check(SlurmSettings, config)
    if load_settings(SlurmSettings, config).settings.flags_allowed is None:
        typer.echo(f"warning: {config}: {ALL_FLAGS_WARNING}")


@app.command()
def jobs(
    config: ConfigFile,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch a line each time.")] = False,
) -> None:
    """Print the jobs of all pods on record, from their files: the sidecar need not run. Run it as the account."""
    files = JobFiles(daemon_cli.read_settings(SlurmSettings, config).data_root_folder)
    if watch:
        configure_logs(logging.CRITICAL)  # what cannot be read would be told every two seconds, across the table
    try:
        while True:
            _show(files.read(), is_json=json, is_watched=watch)
            if not watch:
                return
            time.sleep(WATCH_INTERVAL_S)
    except OSError as e:
        typer.echo(f"DataRootFolder {e.filename}: {e.strerror}; run this as the account", err=True)
        raise typer.Exit(1) from e
    except KeyboardInterrupt:
        typer.echo()


def _show(found: Sequence[ListedJob], *, is_json: bool, is_watched: bool) -> None:
    now = time.time()
    if is_json:
        data = msgspec.json.encode([as_json(job) for job in found])
        typer.echo((data if is_watched else msgspec.json.format(data, indent=1)).decode())
    elif is_watched and sys.stdout.isatty():
        columns, lines = shutil.get_terminal_size()
        shown = screen(found, now, columns=columns, lines=lines)
        # Home, each line cleared to its end, then the rest of the screen: nothing flickers over a slow line.
        typer.echo("\x1b[H" + "\n".join(f"{line}\x1b[K" for line in shown) + "\x1b[J", nl=False)
    else:
        typer.echo("\n".join(table(found, now)))


async def run_sidecar(settings: SlurmSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    # Whatever the service manager says: it reaches the job's own files through sbatch, too.
    os.umask(settings.umask)
    if settings.flags_allowed is None:
        log.warning("flags_unlimited", text=ALL_FLAGS_WARNING)
    sidecar = SlurmSidecar(settings, SlurmCommands(settings))
    async with sidecar.owning():
        await serve_daemon(
            Daemon(
                name="interlink-slurm",
                listeners=[Listener(routes(sidecar), settings.address)],
                admin=settings.admin,
                background={
                    "keeper": sidecar.keeper.run,
                    "notices": sidecar.notices.run,
                    "poller": sidecar.poller.run,
                    "retention": sidecar.retention.run,
                    "stopper": sidecar.stopper.run,
                },
                readiness=sidecar.readiness,
            )
        )
