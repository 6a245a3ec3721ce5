"""`dte interlink-slurm serve | check | jobs`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import structlog
import typer

from dte.runtime import daemon_cli
from dte.runtime.daemon_cli import ConfigFile
from dte.runtime.logs import level_of
from dte.runtime.service import Daemon, Listener
from dte.runtime.service import serve as serve_daemon
from dte.runtime.settings import load_settings

from .commands import SlurmCommands
from .record import Record
from .routes import routes
from .settings import SlurmSettings
from .sidecar import SlurmSidecar
from .store import read_records

log = structlog.get_logger()

app = typer.Typer(no_args_is_help=True, help="The sidecar of one Slurm account: pods in, batch jobs out.")

ALL_FLAGS_WARNING: Final = "FlagsAllowed is not set: a pod may set any sbatch option that is not refused"
HEADINGS: Final = ("POD", "UID", "STATE", "JOB", "NODE", "CREATED")


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
def jobs(config: ConfigFile) -> None:
    """Print the records of all pods; the sidecar need not run."""
    settings = daemon_cli.read_settings(SlurmSettings, config)
    try:
        records = read_records(settings.data_root_folder)
    except OSError as e:
        typer.echo(f"DataRootFolder {settings.data_root_folder}: {e.strerror}; run this as the account", err=True)
        raise typer.Exit(1) from e
    for line in table_lines(records):
        typer.echo(line)


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
                    "stopper": sidecar.stopper.run,
                },
                readiness=sidecar.readiness,
            )
        )


def table_lines(records: Iterable[Record]) -> list[str]:
    """Records as a table with aligned columns, the newest last."""
    rows = [HEADINGS]
    for record in sorted(records, key=lambda item: item.created_at):
        created = datetime.fromtimestamp(record.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        pod = f"{record.namespace}/{record.pod_name}"
        rows.append((pod, record.pod_uid, record.state.value, record.job_id or "-", record.node or "-", created))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
