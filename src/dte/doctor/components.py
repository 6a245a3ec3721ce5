"""Which components have checks, and where: a table of names, so that none is loaded that is not looked at."""

import importlib
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from dte.runtime.doctor.checks import Component, examine
from dte.runtime.doctor.findings import Result

MODULES: Final = MappingProxyType(
    {
        "interlink-slurm": "dte.interlink.sidecars.slurm.doctor",
        "interlink-api": "dte.interlink.api.doctor",
        "virtual-kubelet": "dte.interlink.virtual_kubelet.doctor",
    }
)
"""Component -> module whose COMPONENT is its table; in the order in which a pod depends on them."""


def load(name: str) -> Component[Any]:
    """The table of a component. Raises ModuleNotFoundError where its packages are not installed."""
    component = importlib.import_module(MODULES[name]).COMPONENT
    assert isinstance(component, Component)
    return component


def is_configured(name: str, etc: Path) -> bool:
    """Whether this host has a daemon of the component; an unreadable directory counts."""
    return (etc / name).is_dir() or (etc / f"{name}.yaml").exists()


async def examine_here(name: str, etc: Path) -> list[Result]:
    """Look at the component's daemons in this process."""
    return await examine(load(name), etc)
