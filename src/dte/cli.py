"""The command `dte COMPONENT VERB`: each component has its own typer application, loaded when it is named."""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from dte import __version__


@dataclass(frozen=True, slots=True)
class Component:
    module: str
    """Holds the typer application `app`."""
    extra: str
    """What a host installs to run it: intertwin-dte[extra]."""
    summary: str


COMPONENTS = {
    "alise": Component("dte.alise.cli", "alise", "Links accounts of a site to identities of a federation."),
    "doctor": Component("dte.doctor.cli", "", "Say what is wrong with the daemons of this host, and what to do."),
    "interlink-api": Component("dte.interlink.api.cli", "api", "The interLink API of a site: pods in, sidecars out."),
    "interlink-slurm": Component("dte.interlink.sidecars.slurm.cli", "slurm", "The sidecar of one Slurm account."),
    "site": Component("dte.site.cli", "site", "Set up, look at and remove the hosts of an inventory."),
    "virtual-kubelet": Component(
        "dte.interlink.virtual_kubelet.cli", "virtual-kubelet", "One virtual node of a Kubernetes cluster."
    ),
}

EXIT_USAGE = 2


def usage() -> str:
    """The list of components."""
    rows = "".join(f"  {name:<17}{component.summary}\n" for name, component in COMPONENTS.items())
    return f"Usage: dte COMPONENT VERB [OPTIONS]\n       dte --version\n\nComponents:\n{rows}"


def run(arguments: Sequence[str]) -> int:
    """Answer what concerns no component, or hand the rest of the line to one; returns an exit status."""
    match arguments:
        case ["--version"]:
            print(__version__)  # noqa: T201
            return 0
        case ["--help" | "-h"]:
            print(usage(), end="")  # noqa: T201
            return 0
        case [name, *rest] if name in COMPONENTS:
            return _run_component(name, rest)
        case _:
            print(usage(), end="", file=sys.stderr)  # noqa: T201
            return EXIT_USAGE


def _run_component(name: str, arguments: list[str]) -> int:
    component = COMPONENTS[name]
    try:
        module = importlib.import_module(component.module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "dte":
            raise
        needed = f"intertwin-dte[{component.extra}]"
        print(f"dte {name} needs the Python package {error.name}: install {needed}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    module.app(args=arguments, prog_name=f"dte {name}")
    return 0


def main() -> None:
    """Entry point of the command."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
