# Copyright (c) interTwin DTE maintainers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do so that a release is current: pure decisions of the module python_release.

Runs on the target under Python 3.9: standard library only.
"""

from __future__ import annotations

import hashlib

HASH_LENGTH = 12
"""Hexadecimal digits of the content hash in a release's name: 48 bits among a handful of releases."""


def release_name(version, requirements, python):
    """Directory name "<version>-<hash>" of what `requirements` (bytes, hash-locked) install under `python`.

    The lock file names the hash of every wheel, our own included, so equal names mean equal content. The
    interpreter is part of it: a virtual environment does not survive a change of minor version.
    """
    digest = hashlib.sha256()
    for part in (requirements, python.encode()):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return "{0}-{1}".format(version, digest.hexdigest()[:HASH_LENGTH])


class Plan(object):
    """Steps from `before` to a current release; each is None or empty when there is nothing to do."""

    def __init__(self, install, rebuild, switch_to, remove):
        self.install = install
        """Name of the release to build."""
        self.rebuild = rebuild
        """Whether a half-built directory of that name is in the way."""
        self.switch_to = switch_to
        """Name that the link `current` must point to."""
        self.remove = remove
        """Names of the releases to delete, oldest first."""

    @property
    def changed(self):
        return bool(self.install or self.switch_to or self.remove)


class Found(object):
    """One release directory: its name, whether its install finished, and when (Unix seconds)."""

    def __init__(self, name, is_complete, installed_at=0.0):
        self.name = name
        self.is_complete = is_complete
        self.installed_at = installed_at


def plan(found, current, wanted, keep):
    """Decide how `wanted` becomes current.

    `found` are the releases on disk, `current` is the name that the link points to (None: no link). At most
    `keep` complete releases stay, the wanted one and the one before it first; half-built ones always go.
    """
    by_name = {item.name: item for item in found}
    here = by_name.get(wanted)
    is_complete = here is not None and here.is_complete
    kept = [wanted]
    others = sorted(
        (item for item in found if item.name != wanted and item.is_complete),
        # The release that is current now is the way back: it outlives newer ones that were never switched to.
        key=lambda item: (item.name == current, item.installed_at),
        reverse=True,
    )
    kept += [item.name for item in others[: max(keep, 1) - 1]]
    remove = sorted(
        (item for item in found if item.name not in kept),
        key=lambda item: (item.installed_at, item.name),
    )
    return Plan(
        install=None if is_complete else wanted,
        rebuild=here is not None and not is_complete,
        switch_to=None if current == wanted else wanted,
        remove=[item.name for item in remove],
    )


def state(found, current):
    """The releases as the module reports and diffs them."""
    return {
        "current": current,
        "releases": sorted(item.name for item in found if item.is_complete),
    }


def after(found, current, steps):
    """What `state` will be when `steps` are done."""
    names = {item.name for item in found if item.is_complete} - set(steps.remove)
    if steps.install:
        names.add(steps.install)
    return {"current": steps.switch_to or current, "releases": sorted(names)}
