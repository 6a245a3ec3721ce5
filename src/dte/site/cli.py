"""`dte site up | down | status`."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dte.runtime.errors import DteError, Refused
from dte.site import changes, health
from dte.site.collection import Collection, find_collection
from dte.site.events import Event, HostResult
from dte.site.play import Play, run
from dte.site.progress import Progress

app = typer.Typer(help="Set up, look at and remove the hosts of an inventory.", no_args_is_help=True)

Inventory = Annotated[
    Path | None,
    typer.Option("--inventory", "-i", help="Directory or file of the inventory. In a checkout: the running lab."),
]
Limit = Annotated[str, typer.Option("--limit", help="Only these hosts or groups.")]
Tags = Annotated[str, typer.Option("--tags", help="Only tasks with one of these tags.")]
Check = Annotated[bool, typer.Option("--check", help="Say what would change, change nothing.")]
Purge = Annotated[
    bool, typer.Option("--purge", help="Also delete the API's record of owners and system users of ours.")
]


@app.command()
def up(inventory: Inventory = None, limit: Limit = "", tags: Tags = "", *, check: Check = False) -> None:
    """Set up every host of the inventory; a second time changes nothing. Exit status 1 when a host failed."""
    _change("site", inventory, limit=limit, tags=tags, check=check)


@app.command()
def down(inventory: Inventory = None, limit: Limit = "", *, purge: Purge = False) -> None:
    """Remove what `up` installed, configuration too. Job directories stay; records and system users go with --purge."""
    _change("site_down", inventory, limit=limit, variables={"site_down_purge": purge})


@app.command()
def status(inventory: Inventory = None, limit: Limit = "") -> None:
    """Show the daemons of all hosts and what is wrong. Exit status 0: all well, 1: something is wrong."""
    collection, chosen = _place(inventory)
    events: list[Event] = []
    run(Play(collection.playbook("status"), chosen, collection.search_path, limit=limit), events.append)
    found = health.services(events)
    for line in health.report(found):
        typer.echo(line)
    raise typer.Exit(0 if health.is_healthy(found) else 1)


def _change(
    playbook: str,
    inventory: Path | None,
    *,
    limit: str,
    tags: str = "",
    check: bool = False,
    variables: dict[str, object] | None = None,
) -> None:
    collection, chosen = _place(inventory)
    play = Play(collection.playbook(playbook), chosen, collection.search_path, limit, tags, check, variables or {})
    events: list[Event] = []
    progress, start = Progress(), time.monotonic()
    show = _printer()

    def on_event(event: Event) -> None:
        events.append(event)
        show(progress.feed(event), progress.current)

    succeeded = run(play, on_event)
    show(progress.finish(), "")
    if not any(isinstance(event, HostResult) for event in events):
        typer.echo(health.NO_HOST, err=True)
        raise typer.Exit(1)
    outcome = "done" if succeeded else "FAILED"
    note = " (check: this is what would change)" if check else ""
    show(["", *changes.summary(changes.gather(events)), f"{outcome} in {time.monotonic() - start:.0f} s{note}"], "")
    raise typer.Exit(0 if succeeded else 1)


def _place(inventory: Path | None) -> tuple[Collection, Path]:
    """The collection and the inventory to use; ends the program with what to do when one is missing."""
    try:
        collection = find_collection(Path.cwd(), os.environ)
        chosen = inventory or collection.default_inventory()
        if chosen is None:
            raise Refused("no inventory: name one with -i, such as inventories/SITE")
        if not chosen.exists():
            raise Refused(f"inventory {chosen}: no such file or directory")
    except DteError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    return collection, chosen


def _printer() -> Callable[[list[str], str], None]:
    """Prints complete lines; on a terminal the last line shows the running task."""
    is_terminal = sys.stdout.isatty()

    def show(lines: list[str], current: str) -> None:
        if is_terminal:
            sys.stdout.write("\r\x1b[K")
        for line in lines:
            typer.echo(line)
        if is_terminal:
            sys.stdout.write(current[:110])
        sys.stdout.flush()

    return show
