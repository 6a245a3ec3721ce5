"""Run test suites one after the other, print the seconds of each, and fail when any of them failed."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"


@dataclass(frozen=True, slots=True)
class Suite:
    """Commands that are run in order; the first that fails ends the suite."""

    commands: Sequence[Sequence[str]]
    environ: Mapping[str, str] = field(default_factory=dict)


def _pytest(*arguments: str) -> Sequence[str]:
    return ("python", "-m", "pytest", "-q", *arguments)


SUITES = {
    "format": Suite([("ruff", "format", "--check", "--quiet", "."), ("codespell",)]),
    "lint": Suite([("ruff", "check", "--quiet", "."), ("yamllint", "--strict", ".")]),
    "types": Suite([("mypy",)]),
    "imports": Suite(
        [
            ("lint-imports",),
            ("vermin", "--target=3.6-", "--violations", "--no-tips", "src/dte/interlink/jobs/supervisor"),
        ]
    ),
    "unit": Suite([_pytest("-n", "2", "tests/unit")]),
    "collection": Suite(
        [
            ("python", "-m", "tests.tools.collections"),
            ("ansible-lint", "--offline", "--strict", "-q"),
            ("antsibull-changelog", "lint"),
            ("python", "-m", "tests.tools.sanity"),
        ],
        {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections")},
    ),
    "docs": Suite([("mkdocs", "build", "--strict", "--quiet")]),
    "integration": Suite([_pytest("tests/integration")]),
    "roles": Suite([("python", "-m", "tests.tools.molecule")]),
    "e2e": Suite([_pytest("tests/e2e")]),
    "integration-bookworm": Suite([_pytest("tests/integration")], {"DTE_SUITE": "bookworm"}),
    "unit-slow": Suite([_pytest("-m", "slow", "tests/unit")]),
    "integration-slow": Suite([_pytest("-m", "slow", "tests/integration")]),
    "e2e-slow": Suite([_pytest("-m", "slow", "tests/e2e")]),
    "roles-bookworm": Suite([("python", "-m", "tests.tools.molecule")], {"DTE_SUITE": "bookworm"}),
}
CHECK = ("format", "lint", "types", "imports", "unit")
CI = (*CHECK, "collection", "docs", "integration", "roles", "e2e")
SLOW = ("unit-slow", "integration-slow", "e2e-slow")
"""What is marked `slow`: pyproject.toml deselects it everywhere else."""
ALL = (*CI, *SLOW, "integration-bookworm", "roles-bookworm")


def run(name: str) -> bool:
    """Run one suite with its output on ours; True when every command succeeded."""
    environ = {**os.environ, **SUITES[name].environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    for command in SUITES[name].commands:
        print(f"== {name}: {' '.join(command)}", flush=True)
        if subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode != 0:
            return False
    return True


def table(results: Mapping[str, tuple[bool, float]]) -> str:
    """One line for each suite: name, seconds, outcome."""
    rows = [f"{name:<22}{seconds:>7.0f} s  {'ok' if ok else 'FAILED'}" for name, (ok, seconds) in results.items()]
    return "\n".join(["", "suite                 seconds", *rows])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ci", action="store_true", help=f"the suites of CI: {', '.join(CI)}")
    parser.add_argument("--all", action="store_true", help="those and the whole matrix")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    options = parser.parse_args(arguments)
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}")
    names = ALL if options.all else CI if options.ci else options.suites
    results: dict[str, tuple[bool, float]] = {}
    for name in names:
        start = time.monotonic()
        ok = run(name)
        results[name] = (ok, time.monotonic() - start)
    print(table(results), flush=True)
    return 0 if results and all(ok for ok, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
