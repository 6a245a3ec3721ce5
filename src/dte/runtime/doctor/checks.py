"""A table of checks and how it is worked through: side by side, each within its time, whatever goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from dte.runtime.doctor.findings import Finding, Result, critical, ok, unknown, warning
from dte.runtime.errors import ConfigError, DteError
from dte.runtime.settings import Settings, load_settings

CHECK_LIMIT_S = 45.0
"""More than any look within a check may take by its own limit, so that this one hardly ever cuts one off."""
FULL_RIGHTS = "run it as root, for instance by sudo"


class CannotCheck(DteError):
    """A look needs rights that this process does not have."""


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Subject(Generic[S]):
    """One daemon of this host: an instance with its configuration."""

    name: str
    """The instance: account, node; for a component without instances its name."""
    config: Path
    settings: S


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """One question. The function may raise: see `findings_of`."""

    name: str
    component: str
    function: Callable[[Subject[S]], Awaitable[Sequence[Finding]]]


@dataclass(frozen=True, slots=True)
class Component(Generic[S]):
    """How one component is looked at: its files below /etc/dte, their model, its checks."""

    name: str
    model: type[S]
    checks: tuple[Check[S], ...]
    has_instances: bool = True
    """Files `NAME/INSTANCE.yaml` and units `NAME@INSTANCE`; else `NAME.yaml` and `NAME`."""

    def configurations(self, etc: Path) -> list[Path]:
        """The configuration files that are there. Raises CannotCheck for a directory that may not be listed."""
        if not self.has_instances:
            path = etc / f"{self.name}.yaml"
            return [path] if path.exists() else []
        try:
            return sorted(path for path in (etc / self.name).iterdir() if path.suffix == ".yaml")
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError as error:
            raise CannotCheck(f"{etc / self.name} cannot be listed") from error

    def instance(self, config: Path) -> str:
        """The daemon of a configuration file, as its unit is named."""
        return f"{self.name}@{config.stem}" if self.has_instances else self.name


async def examine(component: Component[S], etc: Path, limit_s: float = CHECK_LIMIT_S) -> list[Result]:
    """All checks of all daemons of the component that are configured below `etc`, in the order of the tables."""
    found = await asyncio.gather(
        *(_examine_one(component, config, limit_s) for config in component.configurations(etc))
    )
    return [result for results in found for result in results]


async def _examine_one(component: Component[S], config: Path, limit_s: float) -> list[Result]:
    instance = component.instance(config)
    subject, findings = _read(component, config)
    results = [Result(instance, "configuration", finding) for finding in findings]
    if subject is None:
        return results
    found = await asyncio.gather(*(findings_of(check, subject, limit_s) for check in component.checks))
    for check, more in zip(component.checks, found, strict=True):
        results += [Result(instance, check.name, finding) for finding in more]
    return results


def _read(component: Component[S], config: Path) -> tuple[Subject[S] | None, list[Finding]]:
    try:
        config.open("rb").close()
        loaded = load_settings(component.model, config)
    except PermissionError:
        return None, [unknown(f"cannot check: {config} may not be read", FULL_RIGHTS)]
    except ConfigError as error:
        advice = "mend it: the daemon would not start on it"
        return None, [critical(problem, advice) for problem in error.problems]
    notes = [warning(text, "remove the key where nothing else reads the file") for text in loaded.warnings]
    return Subject(config.stem, config, loaded.settings), notes or [ok(str(config))]


async def findings_of(check: Check[S], subject: Subject[S], limit_s: float = CHECK_LIMIT_S) -> Sequence[Finding]:
    """What the check found; what it raised or did not come to in time is a finding, too."""
    try:
        async with asyncio.timeout(limit_s):
            return await check.function(subject)
    except CannotCheck as error:
        return [unknown(f"cannot check: {error}", FULL_RIGHTS)]
    except PermissionError as error:
        return [unknown(f"cannot check: {error.filename or error}: {error.strerror or 'not allowed'}", FULL_RIGHTS)]
    except TimeoutError:
        return [unknown(f"no result within {limit_s:g} s", "look whether a file system or a service hangs")]
    except (DteError, OSError) as error:
        return [unknown(f"could not be looked at: {error}", "see whether what it names is there")]
