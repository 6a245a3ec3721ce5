"""ALISE's configuration file as upstream has it: INI with extended interpolation, found in one of four places."""

import configparser
import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dte.runtime.errors import ConfigError
from dte.runtime.settings import MAX_FILE_BYTES

SEARCHED = (
    Path(".config/alise.conf"),
    Path("/etc/alise.conf"),
    Path("/etc/alise/alise.conf"),
    Path(__file__).with_name("alise.conf"),
)
"""Without `--config` the first that exists."""

PROVIDER_SECTION = re.compile(r"auth\.(.+)")
SECTIONS = ("messages", "database", "oidc", "server")


@dataclass(frozen=True, slots=True)
class IniFile:
    """Sections as mappings; what stands in `[auth.NAME]` is under `auth`, `NAME`. Values are text."""

    path: Path
    raw: Mapping[str, Any]
    problems: Sequence[str]
    """Faults of single lines, as `file: key: problem`."""


def find_file(given: Path | None, searched: Iterable[Path] = SEARCHED) -> Path:
    """The file that `--config` names, or the first of the usual places. Raises ConfigError when there is none."""
    if given is not None:
        return given
    found = next((path for path in searched if path.exists()), None)
    if found is None:
        places = ", ".join(str(path) for path in searched)
        raise ConfigError([f"no configuration file: give --config FILE or write one of {places}"])
    return found


def read_ini(path: Path) -> IniFile:
    """Raises ConfigError when the file cannot be read at all; other faults are listed with what could be read."""
    parser = configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation())
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigError([f"{path}: file: larger than {MAX_FILE_BYTES} bytes"])
        parser.read_string(data.decode())
    except OSError as error:
        raise ConfigError([f"{path}: file: cannot be read: {error.strerror}"]) from error
    except (configparser.Error, UnicodeDecodeError) as error:
        # Without the quoted lines, which may hold a secret.
        raise ConfigError([f"{path}: file: not an INI file: {_where(error)}"]) from error
    raw: dict[str, Any] = {"auth": {}}
    problems = []
    for section in parser.sections():
        values, faults = _values(parser, section)
        problems += [f"{path}: {section}.{fault}" for fault in faults]
        provider = PROVIDER_SECTION.fullmatch(section)
        if provider:
            raw["auth"][provider[1]] = values
        elif section in SECTIONS:
            raw[section] = values
        else:
            hint = difflib.get_close_matches(section, [*SECTIONS, "auth.NAME"], 1)
            problems.append(f"{path}: {section}: unknown section{f', did you mean {hint[0]}?' if hint else ''}")
    return IniFile(path, raw, problems)


def _where(error: Exception) -> str:
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno} stands before the first [section]"
    if isinstance(error, configparser.ParsingError):
        return ", ".join(f"line {number}" for number, _ in error.errors)
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {error.lineno}: {error.section}.{error.option} is given twice"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {error.lineno}: section [{error.section}] is given twice"
    return type(error).__name__


def _values(parser: configparser.ConfigParser, section: str) -> tuple[dict[str, str], list[str]]:
    values, faults = {}, []
    for key in parser.options(section):
        try:
            values[key] = parser.get(section, key)
        except configparser.InterpolationError:
            faults.append(f"{key}: ${{...}} names no key of this file; a literal $ is written $$")
    return values, faults


def as_list(value: object) -> object:
    """Words separated by white space, or a JSON array; order kept, repeats dropped."""
    if not isinstance(value, str):
        return value
    if "[" not in value:
        return list(dict.fromkeys(value.split()))
    try:
        items = json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("must be words separated by white space, or a JSON array of strings") from None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError("must be words separated by white space, or a JSON array of strings")
    return list(dict.fromkeys(items))


BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}


def as_bool(value: object) -> object:
    """`true`, `yes`, `false`, `no` in any case, and nothing else."""
    if not isinstance(value, str):
        return value
    try:
        return BOOLEANS[value.strip().lower()]
    except KeyError:
        raise ValueError("must be true, yes, false or no") from None
