"""What a lab and its parts are called: pure derivations from the lab's name and the checkout's path."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SUITES = ("trixie", "bookworm")
PARTS = ("slurm", "kube", "hosts")
LABEL = "dte.lab"
KEY_LABEL = "dte.lab.key"
SUITE_LABEL = "dte.lab.suite"
ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""


class LabError(Exception):
    """The lab could not do what was asked; the text says what, on what, what was seen and what to do."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab: `name` makes every name, `root` is the checkout whose `.lab` holds its files."""

    name: str
    root: Path

    @property
    def directory(self) -> Path:
        """Files of this lab: keys, kubeconfig, `site.json`. Removed by `down`."""
        return self.root / ".lab"

    @property
    def network(self) -> str:
        return f"dte-{self.name}"

    @property
    def volume(self) -> str:
        """The shared file system, mounted at /exa."""
        return f"dte-{self.name}-exa"

    @property
    def small_volume(self) -> str:
        """A file system of its own in there, mounted at /exa/twin02: one that a test can fill."""
        return f"dte-{self.name}-exa-twin02"

    @property
    def label(self) -> str:
        return f"{LABEL}={self.name}"

    def container(self, host: str) -> str:
        return f"dte-{self.name}-{host}"


def lab_name(environment: Mapping[str, str], root: Path) -> str:
    """DTE_LAB, else the first 8 hexadecimal digits of the SHA-256 of the checkout's path.

    LabError when DTE_LAB would not do as part of a container's name.
    """
    given = environment.get("DTE_LAB", "")
    if not given:
        return hashlib.sha256(str(root).encode()).hexdigest()[:8]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", given):
        raise LabError(f"DTE_LAB: use 1 to 31 of a-z, 0-9 and '-', not first (got {given!r})")
    return given


def wanted_suite(environment: Mapping[str, str]) -> str:
    """DTE_SUITE, else the first suite. LabError for one we do not know."""
    suite = environment.get("DTE_SUITE") or SUITES[0]
    if suite not in SUITES:
        raise LabError(f"DTE_SUITE: use one of {', '.join(SUITES)} (got {suite!r})")
    return suite


def this_lab() -> Lab:
    """The lab of this checkout and environment."""
    return Lab(lab_name(os.environ, ROOT), ROOT)
