"""From the configuration file to settings: all problems at once, and remarks on what is accepted without effect."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dte.alise.ini import find_file, read_ini
from dte.alise.settings import (
    AliseSettings,
    DatabaseSettings,
    MessagesSettings,
    OidcSettings,
    ProviderSettings,
    ServerSettings,
)
from dte.runtime.errors import ConfigError
from dte.runtime.settings import Loaded, Settings, settings_from


def load_alise(given: Path | None) -> Loaded[AliseSettings]:
    """The settings of the file that `--config` names or that is found; raises ConfigError with all problems."""
    ini = read_ini(find_file(given))
    raw, unknown, warnings = _known_keys(ini.raw)
    problems = [*ini.problems, *(f"{ini.path}: {text}" for text in unknown)]
    try:
        loaded = settings_from(AliseSettings, raw, str(ini.path))
    except ConfigError as error:
        raise ConfigError(sorted({*problems, *error.problems})) from error
    if problems:
        raise ConfigError(sorted(problems))
    texts = [*warnings, *_remarks(loaded.settings)]
    return Loaded(loaded.settings, tuple(f"{ini.path}: {text}" for text in texts))


MODELS: dict[str, type[Settings]] = {
    "messages": MessagesSettings,
    "database": DatabaseSettings,
    "oidc": OidcSettings,
    "server": ServerSettings,
}


def _known_keys(raw: Any) -> tuple[dict[str, Any], list[str], list[str]]:
    """The file without keys that upstream ignores too; problems for what looks like a slip; warnings for the rest."""
    known: dict[str, Any] = {"auth": {}}
    problems: list[str] = []
    warnings: list[str] = []
    sections = [(name, MODELS[name], known, raw[name]) for name in MODELS if name in raw]
    sections += [(f"auth.{name}", ProviderSettings, known["auth"], values) for name, values in raw["auth"].items()]
    for section, model, target, values in sections:
        kept = {key: value for key, value in values.items() if key in model.model_fields}
        for key in sorted(set(values) - set(kept)):
            hint = difflib.get_close_matches(key, model.model_fields, 1, cutoff=0.8)
            if hint:
                problems.append(f"{section}.{key}: unknown key, did you mean {hint[0]}?")
            elif model is ServerSettings:
                problems.append(f"{section}.{key}: unknown key")
            else:
                warnings.append(f"{section}.{key}: unknown key, ignored")
        target[section.removeprefix("auth.")] = kept
    return known, problems, warnings


def _remarks(settings: AliseSettings) -> Iterable[str]:
    if settings.messages.log_file:
        yield "messages.log_file: accepted, but not used: lines go to standard error"
    if settings.oidc.oidc_config:
        yield "oidc.oidc_config: accepted, but not used"
    if not settings.server.public_url:
        yield "server.public_url: not set: redirect URIs follow the Host of each request; set it to https://HOST"
    for name, provider in settings.auth.items():
        if provider.claims:
            yield f"auth.{name}.claims: accepted, but not used"
        if bool(provider.admin_entitlement) != bool(provider.admin_entitlement_claim):
            yield f"auth.{name}: admin_entitlement and admin_entitlement_claim go together: nobody is administrator"
