"""One YAML file per daemon, read into a typed model; every problem is reported at once."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from dte.runtime.errors import ConfigError

MAX_FILE_BYTES = 1 << 20
"""A configuration file is read by people; one beyond 1 MiB is a wrong path."""


class Settings(BaseModel):
    """Base of every settings model: read-only, and a key that it does not know is an error.

    In the file a key is the CamelCase alias, in Python the snake_case name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    accepted_keys: ClassVar[frozenset[str]] = frozenset()
    """Top-level keys of other programs that share this file: accepted, and warned about as unused."""


class AdminSettings(Settings):
    """The listener for health checks and metrics, apart from the service's own."""

    listen: str = Field(default="127.0.0.1:0", alias="Listen")
    """`host:port` or `unix:///path`; port 0 takes a free one. Loopback unless the site says otherwise."""


class TlsSettings(Settings):
    """Server or client certificate. The files are watched and read again when they change."""

    enabled: bool = Field(default=False, alias="Enabled")
    cert_file: Path | None = Field(default=None, alias="CertFile")
    """PEM chain, the own certificate first."""
    key_file: Path | None = Field(default=None, alias="KeyFile")
    """PEM key without a passphrase."""
    ca_cert_file: Path | None = Field(default=None, alias="CACertFile")
    """PEM bundle that the other side's certificate must chain to; a server then demands one."""


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """Settings as read, with a line for each accepted key that nothing uses."""

    settings: S
    warnings: tuple[str, ...]


def load_settings(model: type[S], path: Path) -> Loaded[S]:
    """Read `path`; raises ConfigError with all problems, each as `file: key: problem (got value)`."""
    return settings_from(model, _read_mapping(path), str(path))


def settings_from(model: type[S], raw: Mapping[str, Any], source: str) -> Loaded[S]:
    """Like load_settings, for a mapping that is already read; `source` stands for the file's name."""
    known = _spellings(model)
    unused = sorted(key for key in raw if key in model.accepted_keys and key not in known)
    used = {key: value for key, value in raw.items() if key not in unused}
    try:
        settings = model.model_validate(used)
    except ValidationError as error:
        raise ConfigError(sorted(_problems(error, source, secrets=frozenset(_secret_keys(model))))) from error
    warnings = tuple(f"{source}: {key}: accepted, but this daemon does not use it" for key in unused)
    return Loaded(settings, warnings)


def _spellings(model: type[Settings]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: file: cannot be read: {error.strerror}"]) from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError([f"{path}: file: larger than {MAX_FILE_BYTES} bytes"])
    try:
        raw = yaml.load(data, Loader=_UniqueKeys)  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: file: not YAML: {' '.join(str(error).split())}"]) from error
    except (ValueError, RecursionError) as error:  # a date such as 2026-99-99, or nesting made to hurt
        raise ConfigError([f"{path}: file: not YAML that can be read: {error}"]) from error
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise ConfigError([f"{path}: file: must be a mapping of keys to values"])
    return raw


class _UniqueKeys(yaml.SafeLoader):
    """Of two equal keys YAML parsers drop the first without a word; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            # Plain texts only: what is merged in (`<<`) may be replaced.
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} stands there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_TEXTS = {"missing": "is required", "extra_forbidden": "unknown key"}


def _secret_keys(model: type[BaseModel]) -> Iterable[str]:
    """Spellings of all keys whose values are secrets, at any depth."""
    for name, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if kind is SecretStr:
                yield from {field.alias or name, name}
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _secret_keys(kind)


def _problems(error: ValidationError, source: str, *, secrets: Collection[str]) -> Iterable[str]:
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "file"
        text = _TEXTS.get(item["type"], item["msg"].removeprefix("Value error, "))
        got = "" if any(part in secrets for part in item["loc"]) else _got(item)
        yield f"{source}: {key}: {text}{got}"


def _got(item: Mapping[str, Any]) -> str:
    value = item.get("input")
    # What stands under a key that we do not know may be a secret whose key has a typing error.
    if item["type"] in _TEXTS or isinstance(value, (dict, BaseModel)):
        return ""
    shown = repr(value)
    return f" (got {shown if len(shown) <= 80 else shown[:77] + '...'})"
