"""Faults of a host with systemd: units that are killed, stopped or frozen, a reboot, what is missing after one."""

import contextlib
from collections.abc import Iterator

from tests.lab import engine, systemd
from tests.lab.names import LabError

EXTRA_USERS = "/var/lib/extrausers"


def kill_unit(host: str, *units: str) -> None:
    """kill -9 of all processes of the units; systemd starts them again as their files say."""
    engine.execute(host, ["systemctl", "kill", "--signal=KILL", *units])


def start_unit(host: str, *units: str) -> None:
    engine.execute(host, ["systemctl", "start", *units])


@contextlib.contextmanager
def unit_stopped(host: str, *units: str) -> Iterator[None]:
    """The units do not run. Those that socket activation would start: name their sockets too."""
    engine.execute(host, ["systemctl", "stop", *units])
    try:
        yield
    finally:
        engine.execute(host, ["systemctl", "start", *units])


@contextlib.contextmanager
def frozen(host: str, unit: str) -> Iterator[None]:
    """The unit's processes are there and do nothing: SIGSTOP, then SIGCONT."""
    engine.execute(host, ["systemctl", "kill", "--signal=STOP", unit])
    try:
        yield
    finally:
        engine.execute(host, ["systemctl", "kill", "--signal=CONT", unit])


def reboot(host: str) -> None:
    """Power off and on: no process ends in order, /run and /tmp are empty; returns when systemd has booted.

    Address and files stay.
    """
    facts = engine.inspect(host)
    if not facts:
        raise LabError(f"{host}: no such container; `python -m tests.lab show` lists them")
    (network, place), *_ = facts["NetworkSettings"]["Networks"].items()
    engine.docker("kill", host)
    # The Engine would give the lowest free address.
    engine.docker("network", "disconnect", network, host)
    alias = ("--alias", facts["Config"]["Hostname"])
    engine.docker("network", "connect", "--ip", place["IPAddress"], *alias, network, host)
    engine.docker("start", host)
    systemd.wait_until_booted(host)


@contextlib.contextmanager
def accounts_away(host: str) -> Iterator[None]:
    """The database of the site's accounts does not answer: `getent passwd` knows none of them."""
    engine.execute(host, ["mv", EXTRA_USERS, f"{EXTRA_USERS}.away"])
    try:
        yield
    finally:
        engine.execute(host, ["mv", f"{EXTRA_USERS}.away", EXTRA_USERS])


def state_lost(host: str, *units: str) -> None:
    """A new disk: /var/lib/dte is empty when the units start again. Job directories are elsewhere and stay."""
    with unit_stopped(host, *units):
        engine.execute(host, ["find", "/var/lib/dte", "-mindepth", "2", "-delete"])
