# Copyright (c) interTwin DTE maintainers
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters over the pure functions in module_utils/_preflight.py and _instances.py."""

from __future__ import annotations

from ansible_collections.intertwin.dte.plugins.module_utils import _instances, _preflight

CHECKS = (
    "api_problems",
    "kubeconfig_problems",
    "passwd_problems",
    "release_problems",
    "slurm_account_problems",
    "submit_problems",
    "virtual_node_problems",
)
SHAPES = (
    "admin_address",
    "camel_keys",
    "instances",
    "resource_keys",
    "sidecar_accounts",
    "watched_daemons",
    "with_admin",
    "writable_roots",
)


class FilterModule:
    def filters(self):
        checks = {name: getattr(_preflight, name) for name in CHECKS}
        return {**checks, **{name: getattr(_instances, name) for name in SHAPES}}
