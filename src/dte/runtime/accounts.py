"""Local accounts: who this process may act as when it starts a program."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from dte.runtime.errors import NotFound


@dataclass(frozen=True, slots=True)
class Account:
    """A local account with its groups, as the name service knows it now."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    @property
    def is_ours(self) -> bool:
        """Whether this process runs as the account already."""
        return os.geteuid() == self.uid

    @property
    def can_be_taken_on(self) -> bool:
        """Whether a program can be started as the account."""
        return self.is_ours or os.geteuid() == 0


def account_named(name: str) -> Account:
    """Look up an account. Raises NotFound; blocks as long as the site's name service takes."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise NotFound(f"no local account {name}") from error
    return Account(name, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)), entry.pw_dir)
