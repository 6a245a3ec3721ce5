"""systemd's units, from `systemctl show`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from dte.runtime.commands import run_command
from dte.runtime.doctor.findings import Finding, critical, ok, warning
from dte.runtime.errors import Unavailable

PROPERTIES: Final = (
    *("Id", "LoadState", "ActiveState", "ActiveEnterTimestampMonotonic"),
    *("UnitFileState", "NRestarts", "Result", "MainPID", "User"),
)
SYSTEMCTL_LIMIT_S: Final = 10.0
RESTARTS: Final = 5
"""So many since somebody last started it are no accident any more, if the last was within RECENT_S."""
RECENT_S: Final = 3600.0


async def look_at_units(units: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Properties of the units by name. Raises Unavailable where systemd does not answer."""
    argv = ["systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", *units]
    completed = await run_command(argv, timeout_s=SYSTEMCTL_LIMIT_S)
    if completed.status != 0:
        raise Unavailable(f"systemctl: {completed.error_text}")
    return parse_show(completed.stdout.decode(errors="replace"))


def parse_show(text: str) -> dict[str, Mapping[str, str]]:
    """Read `systemctl show` of several units: they are apart by an empty line, and a value may hold `=`."""
    units: dict[str, Mapping[str, str]] = {}
    for block in text.split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
        if "Id" in properties:
            units[properties["Id"]] = properties
    return units


def judge_unit(unit: str, properties: Mapping[str, str] | None, now: float) -> Finding:
    """Whether the unit is up, comes back after a reboot, and does not fall over. `now`: seconds, monotonic clock."""
    journal = f"journalctl -u {unit} says why"
    known = properties or {}
    active = known.get("ActiveState", "unknown")
    if known.get("LoadState", "not-found") == "not-found":
        return critical(f"{unit} is not installed", "run the role of the component on this host")
    if active != "active":
        result = known.get("Result", "success")
        text = f"{unit} is {active}" + ("" if result == "success" else f" ({result})")
        return critical(text, f"systemctl start {unit}; {journal}")
    if known.get("UnitFileState") not in ("enabled", "enabled-runtime", "static"):
        return warning(f"{unit} is not enabled: it will not come back after a reboot", f"systemctl enable {unit}")
    restarts = known.get("NRestarts", "0")
    if _number(restarts) >= RESTARTS and now - _number(known.get("ActiveEnterTimestampMonotonic", "")) / 1e6 < RECENT_S:
        return warning(
            f"{unit} had to be restarted {restarts} times", f"{journal}; systemctl restart {unit} resets this"
        )
    return ok(f"{unit} is active")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def main_pid(properties: Mapping[str, str] | None) -> int | None:
    """The daemon's process id; None when it does not run."""
    return _number((properties or {}).get("MainPID", "")) or None


async def judged_units(units: Sequence[str]) -> list[Finding]:
    """The check of a component's units."""
    found = await look_at_units(units)
    return [judge_unit(unit, found.get(unit), time.monotonic()) for unit in units]
