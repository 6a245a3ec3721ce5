"""`python -m tests.lab up | down | show`."""

import json
import os
import subprocess
import sys
from typing import Annotated

import typer

from tests.lab import engine, images, site
from tests.lab.names import PARTS, SUITES, LabError, this_lab, wanted_suite

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The throwaway site of this checkout.")


@app.command()
def up(
    parts: Annotated[str, typer.Option(help="Comma list of the parts to start.")] = ",".join(PARTS),
    suite: Annotated[str, typer.Option(help=f"Debian release of the cluster: {' or '.join(SUITES)}.")] = "",
) -> None:
    """Start what does not run yet; says what it waits for."""
    site.up(this_lab(), [part.strip() for part in parts.split(",") if part.strip()], suite or wanted_suite(os.environ))


@app.command()
def down() -> None:
    """Remove everything of this lab: containers, volume, network, .lab. Caches stay."""
    site.down(this_lab())


@app.command()
def show(
    host: Annotated[str, typer.Argument(help="Print only the name of this host's container.")] = "",
) -> None:
    """Print the lab's containers as JSON."""
    lab = this_lab()
    if host:
        container = lab.container(host)
        if container not in site.show(lab):
            raise LabError(f"{host}: no such host in lab {lab.name}; `python -m tests.lab up` starts them")
        print(container)
        return
    print(json.dumps({"lab": lab.name, "containers": site.show(lab)}, indent=2))


@app.command()
def image(suite: Annotated[str, typer.Argument(help=f"Debian release: {' or '.join(SUITES)}.")] = "") -> None:
    """Print the tag of the node image, after making it if need be."""
    engine.require_engine()
    print(images.ensure_image(suite or wanted_suite(os.environ)))


@app.command()
def join(containers: list[str]) -> None:
    """Make running containers hosts of this lab: Slurm's commands, certificates, kubeconfig."""
    site.join(this_lab(), containers)


if __name__ == "__main__":
    try:
        app()
    except LabError as error:
        sys.exit(f"lab: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"lab: {error.cmd[0]} (exit {error.returncode}): {error.stderr}")
