"""Write the table of variables in each role's README.md from its argument spec; with --check only compare."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.tools.project import ROOT

START, END = "<!-- variables: made by `python -m tests.tools.role_readmes` -->", "<!-- end of variables -->"


def table(options: Mapping[str, Mapping[str, Any]]) -> str:
    """One row for each variable: name, type, default, description."""
    rows = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, option in options.items():
        default = "required" if option.get("required") else _value(option.get("default"))
        kind = f"list of {option['elements']}" if option.get("elements") else option["type"]
        rows.append(f"| `{name}` | {kind} | {default} | {_text(option['description'])} |")
    return "\n".join(rows)


def _value(default: object) -> str:
    if default is None:
        return ""
    return (
        f"`{default!r}`"
        if isinstance(default, str)
        else f"`{yaml.safe_dump(default, default_flow_style=True).split(chr(10))[0]}`"
    )


def _text(description: object) -> str:
    text = " ".join(description) if isinstance(description, list) else str(description)
    return re.sub(r"\b[COVM]\(([^)]*)\)", r"`\1`", text).replace("|", "\\|")


def renewed(readme: str, options: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a README with its table made anew. ValueError when the marks are missing."""
    before, start, rest = readme.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the marks {START} and {END} are missing")
    return f"{before}{START}\n{table(options)}\n{END}{after}"


def spec(role: Path) -> Mapping[str, Mapping[str, Any]]:
    """The options of a role's main entry point."""
    described = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())
    options: Mapping[str, Mapping[str, Any]] = described["argument_specs"]["main"]["options"]
    return options


def main() -> int:
    stale = []
    for role in sorted((ROOT / "roles").iterdir()):
        readme = role / "README.md"
        old = readme.read_text()
        new = renewed(old, spec(role))
        if old != new:
            stale.append(str(readme.relative_to(ROOT)))
            if "--check" not in sys.argv:
                readme.write_text(new)
    print("\n".join(stale) or "nothing to do")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
