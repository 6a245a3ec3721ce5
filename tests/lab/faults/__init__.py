"""Faults as a site meets them, made in a running lab. What is a context manager undoes itself.

Every function takes containers of the lab by name or id. What each fault is at a site, and how to make it by hand,
stands in docs/lab.md.
"""

from .hosts import (
    accounts_away,
    frozen,
    kill_unit,
    reboot,
    start_unit,
    state_lost,
    unit_stopped,
)
from .network import cut
from .slurm import (
    accounting_lost,
    controller_down,
    controller_state_lost,
    database_down,
    maintenance,
    node_lost,
    partition_state,
    rate_limited,
    reconfigure,
)
from .storage import SlowRoot, full, over_sshfs, unmounted

__all__ = [
    "SlowRoot",
    "accounting_lost",
    "accounts_away",
    "controller_down",
    "controller_state_lost",
    "cut",
    "database_down",
    "frozen",
    "full",
    "kill_unit",
    "maintenance",
    "node_lost",
    "over_sshfs",
    "partition_state",
    "rate_limited",
    "reboot",
    "reconfigure",
    "start_unit",
    "state_lost",
    "unit_stopped",
    "unmounted",
]
