"""Which local account a pod runs as: by its namespace and service account, never by what the pod says of itself."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dte.runtime.address import Address
from dte.runtime.errors import Refused

ANY = "*"


@dataclass(frozen=True, slots=True)
class Account:
    """A local account of the site, and where its sidecar listens."""

    name: str
    address: Address
    namespaces: Sequence[str] = (ANY,)
    """fnmatch patterns, case-sensitive."""
    service_accounts: Sequence[str] = (ANY,)
    list_bodies: bool = False
    """Its plugin is of a release before 0.5: a create is a list of one."""


def choose_account(accounts: Iterable[Account], *, namespace: str, service_account: str) -> Account:
    """The account of a pod: the most exact rule wins, the namespace before the service account.

    Rules that are equally exact: the first in the file. Raises Refused when none matches.
    """
    matches = [
        (not exact_namespace, not exact_service_account, index, account)
        for index, account in enumerate(accounts)
        for exact_namespace in _matches(account.namespaces, namespace)
        for exact_service_account in _matches(account.service_accounts, service_account)
    ]
    if not matches:
        raise Refused(
            f"no account of this site takes pods of namespace {namespace} with service account {service_account}; "
            "ask the site's administrators to add the namespace to an account"
        )
    return min(matches, key=lambda match: match[:3])[3]


def _matches(patterns: Sequence[str], value: str) -> Iterator[bool]:
    """One item for each pattern that matches `value`; true when it is `value` itself."""
    return (pattern == value for pattern in patterns if pattern == value or fnmatchcase(value, pattern))


def shared_rules(accounts: Sequence[Account]) -> list[str]:
    """A line for each (namespace pattern, service account pattern) that more than one account claims."""
    claimed: dict[tuple[str, str], list[str]] = {}
    for account in accounts:
        for namespace in account.namespaces:
            for service_account in account.service_accounts:
                claimed.setdefault((namespace, service_account), []).append(account.name)
    return [
        f"namespace {namespace!r} (service accounts {service_account!r}) is given to {' and '.join(names)}"
        for (namespace, service_account), names in claimed.items()
        if len(names) > 1
    ]
