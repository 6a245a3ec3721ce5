"""What runs on a compute node needs nothing but a Python there; that 3.6 is enough, `vermin` checks."""

import ast
import sys
from pathlib import Path

from dte.interlink.jobs import supervisor

SOURCE = Path(supervisor.__file__)


def test_the_supervisor_needs_the_standard_library_only() -> None:
    imports = [
        node for node in ast.walk(ast.parse(SOURCE.read_bytes())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "." for node in imports if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)
