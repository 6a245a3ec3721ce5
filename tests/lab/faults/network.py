"""A network that is cut: packets vanish, in both directions, and nobody is told."""

import contextlib
from collections.abc import Iterator

from tests.lab import engine


@contextlib.contextmanager
def cut(host: str, address: str) -> Iterator[None]:
    """Nothing passes between `host` (a systemd container of the lab) and the address of another one."""
    rules = (["INPUT", "-s", address, "-j", "DROP"], ["OUTPUT", "-d", address, "-j", "DROP"])
    for rule in rules:
        engine.execute(host, ["iptables", "-I", *rule])
    try:
        yield
    finally:
        for rule in rules:
            engine.execute(host, ["iptables", "-D", *rule])
