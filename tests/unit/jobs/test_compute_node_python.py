"""What runs on a compute node needs nothing but a Python there; that 3.6 is enough, `vermin` checks."""

import ast
import sys
from pathlib import Path

import pytest

from dte.interlink.jobs.archive import SOURCES

MODULES = sorted(SOURCES.glob("*.py"))


def imports(source: Path) -> set[str]:
    """Modules that are imported from elsewhere, and ".name" for those of the supervisor itself."""
    found = [node for node in ast.walk(ast.parse(source.read_bytes())) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in found if isinstance(node, ast.Import) for alias in node.names}
    names |= {"." * node.level + (node.module or "") for node in found if isinstance(node, ast.ImportFrom)}
    return {name if name.startswith(".") else name.partition(".")[0] for name in names}


@pytest.mark.parametrize("source", MODULES, ids=lambda path: path.name)
def test_a_module_needs_the_standard_library_and_its_neighbours_only(source: Path) -> None:
    neighbours = {f".{path.stem}" for path in MODULES}
    assert imports(source) <= set(sys.stdlib_module_names) | neighbours


def test_the_launcher_stands_alone() -> None:
    assert imports(SOURCES / "launcher.py") <= set(sys.stdlib_module_names)
