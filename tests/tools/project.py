"""Where things lie and what the project says of itself."""

import os
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = ROOT / ".venv" / "bin"
DIST = ROOT / "dist"

EXTRAS = {"alise": "alise", "interlink-api": "api", "interlink-slurm": "slurm", "virtual-kubelet": "virtual-kubelet"}
"""Component that a role installs -> extra of the distribution."""


def cache(name: str) -> Path:
    """A directory of the cache, made; DTE_CACHE moves the cache."""
    base = Path(os.environ.get("DTE_CACHE") or Path.home() / ".cache" / "intertwin-dte")
    path = base / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def version() -> str:
    """The one version, from galaxy.yml."""
    return str(yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"])


def dependencies(component: str) -> list[str]:
    """What pyproject.toml asks for a component."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"][EXTRAS[component]]]


def lock_file(component: str) -> Path:
    """The committed, hash-locked requirements of a component, without our own wheel."""
    return ROOT / "requirements" / f"{component}.txt"
