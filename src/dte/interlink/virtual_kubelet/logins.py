"""The user of a kubeconfig's current context, as far as one must know it to say how long the login lasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dte.runtime.errors import BadOutput


@dataclass(frozen=True, slots=True)
class Login:
    """At most one of them is set; none: by something else (a program, a password, a certificate inside the file)."""

    token: str = ""
    token_file: Path | None = None
    certificate: tuple[Path, Path] | None = None
    """Certificate and key."""

    def __repr__(self) -> str:
        return "Login(...)"


def parse_login(text: str, directory: Path) -> Login:
    """Read a kubeconfig; relative paths in it are those of `directory`. Raises BadOutput, which quotes nothing."""
    try:
        config = yaml.safe_load(text)
        context = _named(config["contexts"], str(config["current-context"]))["context"]
        user = _named(config["users"], str(context["user"]))["user"] or {}
        if token := user.get("token"):
            return Login(token=str(token))
        if path := user.get("tokenFile"):
            return Login(token_file=directory / str(path))
        if (certificate := user.get("client-certificate")) and (key := user.get("client-key")):
            return Login(certificate=(directory / str(certificate), directory / str(key)))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise BadOutput("it has no current context with a user") from error
    return Login()


def _named(items: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    return next((item for item in items if item["name"] == name), {})
