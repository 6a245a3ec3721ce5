# Copyright (c) interTwin DTE maintainers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a daemon, from the words of systemctl and of its admin listener: pure part of daemon_info.

Runs on the target under Python 3.9: standard library only.
"""

from __future__ import annotations

PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "Result")


def parse_show(text):
    """Read `systemctl show --property=...` of several units: {Id: {property: value}}.

    Units are separated by an empty line; a value may hold "=".
    """
    units = {}
    for block in text.split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in properties:
            units[properties["Id"]] = properties
    return units


def unit_problem(properties):
    """Why a unit is not up and enabled, in words; None when it is. `properties` is None for a unit nobody knows."""
    if properties is None or properties.get("LoadState") == "not-found":
        return "is not installed"
    if properties.get("ActiveState") != "active":
        result = properties.get("Result", "success")
        suffix = "" if result == "success" else " (%s)" % result
        return "is %s%s" % (properties.get("ActiveState", "unknown"), suffix)
    if properties.get("UnitFileState") not in ("enabled", "static", "enabled-runtime"):
        return "is not enabled: it will not come back after a reboot"
    return None


def readiness_problem(status, text):
    """What an answer of /readyz means; None when ready. `status` is None when nothing answered, `text` says why."""
    if status is None:
        return "admin listener does not answer: %s" % text
    if status == 200:
        return None
    return "not ready: %s" % (text.strip() or "status %d" % status)


def describe(unit, properties, readiness):
    """The record of one daemon. `readiness` is (status, text) of /readyz, or None when it was not asked."""
    problem = unit_problem(properties)
    if problem is None and readiness is not None:
        problem = readiness_problem(*readiness)
    known = properties or {}
    return {
        "unit": unit,
        "active": known.get("ActiveState", "unknown"),
        "enabled": known.get("UnitFileState", ""),
        "restarts": int(known.get("NRestarts") or 0),
        "ready": None if readiness is None else readiness_problem(*readiness) is None,
        "problem": problem,
    }
