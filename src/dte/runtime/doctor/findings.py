"""What a check found, and what all of it amounts to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """The values are the exit statuses of Nagios' plugins (monitoring-plugins.org, development guidelines)."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3

    @property
    def word(self) -> str:
        """As it is printed."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check saw."""

    level: Level
    text: str
    """What is there when the level is OK, else the problem."""
    advice: str = ""
    """What to do; empty only when the level is OK."""


@dataclass(frozen=True, slots=True)
class Result:
    """A finding and where it was made."""

    instance: str
    """The daemon, as its unit is named: `interlink-slurm@twin01`."""
    check: str
    finding: Finding


def ok(text: str) -> Finding:
    return Finding(Level.OK, text)


def warning(text: str, advice: str) -> Finding:
    """Works now, will not for ever."""
    return Finding(Level.WARNING, text, advice)


def critical(text: str, advice: str) -> Finding:
    """Does not work."""
    return Finding(Level.CRITICAL, text, advice)


def unknown(text: str, advice: str) -> Finding:
    """Could not be looked at."""
    return Finding(Level.UNKNOWN, text, advice)


_BY_WEIGHT = (Level.CRITICAL, Level.WARNING, Level.UNKNOWN)


def worst(levels: Iterable[Level]) -> Level:
    """The level of the whole: what is known to be wrong weighs more than what could not be looked at."""
    there = set(levels)
    return next((level for level in _BY_WEIGHT if level in there), Level.OK)
