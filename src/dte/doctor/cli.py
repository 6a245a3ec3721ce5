"""`dte doctor [COMPONENT]`."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from dte.doctor.components import MODULES, examine_here, is_configured
from dte.doctor.releases import HERE_OPTION, command_of, examine_there
from dte.doctor.report import NOTHING, encode_results, lines, status_of
from dte.runtime.doctor.checks import FULL_RIGHTS, CannotCheck
from dte.runtime.doctor.findings import Result, unknown
from dte.runtime.logs import configure_logs

app = typer.Typer(add_completion=False)

ETC = Path("/etc/dte")
RELEASES = Path("/opt/dte")


@app.command()
def doctor(
    component: Annotated[str, typer.Argument(help=f"Only this one: {', '.join(MODULES)}.", show_default="all")] = "",
    etc: Annotated[Path, typer.Option(help="Where the configuration files are.")] = ETC,
    releases: Annotated[Path, typer.Option(help="Where each component's release is.")] = RELEASES,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print all results as JSON.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print what is well, too.")] = False,
    here: Annotated[bool, typer.Option(HERE_OPTION, help="Look with this release's own checks.", hidden=True)] = False,
) -> None:
    """Look at the daemons of this host and say what is wrong and what to do. It changes nothing.

    Exit status, as for a plugin of Nagios: 0 all is well, 1 something will not last, 2 something does not work,
    3 something could not be looked at.
    """
    if component and component not in MODULES:
        raise typer.BadParameter(f"no component {component}; there are {', '.join(MODULES)}")
    configure_logs()
    names = [component] if component else [name for name in MODULES if is_configured(name, etc)]
    results = asyncio.run(_examine(names, etc, None if here else releases))
    host = socket.gethostname()
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(encode_results(host, results)), indent=1).decode())
    elif not results:
        typer.echo(f"DTE UNKNOWN - {host}: {NOTHING.format(etc=etc)}")
    else:
        typer.echo("\n".join(lines(host, results, is_verbose=verbose)))
    raise typer.Exit(status_of(results).value)


async def _examine(names: Sequence[str], etc: Path, releases: Path | None) -> list[Result]:
    found = await asyncio.gather(*(_examine_one(name, etc, releases) for name in names))
    return [result for results in found for result in results]


async def _examine_one(name: str, etc: Path, releases: Path | None) -> list[Result]:
    command = command_of(name, releases) if releases is not None else None
    if command is not None:
        return await examine_there(command, name, etc)
    try:
        return await examine_here(name, etc)
    except CannotCheck as error:
        return [Result(name, "configuration", unknown(f"cannot check: {error}", FULL_RIGHTS))]
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "dte":
            raise
        text = f"the Python package {error.name} is not installed here, so this component cannot be looked at"
        return [Result(name, "release", unknown(text, f"run the role of {name}, or the `dte` that serves it"))]
