"""Which account a pod runs as."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.api.accounts import Account, choose_account, shared_rules
from dte.runtime.address import UnixAddress
from dte.runtime.errors import Refused


def account(name: str, namespaces: list[str], service_accounts: list[str] | None = None) -> Account:
    return Account(name, UnixAddress(Path(f"/run/{name}.sock")), namespaces, service_accounts or ["*"])


def chosen(accounts: list[Account], namespace: str, service_account: str = "default") -> str:
    return choose_account(accounts, namespace=namespace, service_account=service_account).name


def test_an_exact_namespace_wins_over_a_pattern_that_stands_before_it() -> None:
    accounts = [account("wide", ["lofar-*"]), account("exact", ["lofar-eu"])]
    assert chosen(accounts, "lofar-eu") == "exact"
    assert chosen(accounts, "lofar-us") == "wide"


def test_of_two_patterns_the_first_in_the_file_wins() -> None:
    accounts = [account("first", ["lofar-*"]), account("second", ["lofar-e*"])]
    assert chosen(accounts, "lofar-eu") == "first"


def test_a_namespace_can_be_shared_by_service_account() -> None:
    accounts = [account("many", ["climate"]), account("gpu", ["climate"], ["trainer"])]
    assert chosen(accounts, "climate", "trainer") == "gpu"
    assert chosen(accounts, "climate", "default") == "many"


def test_an_exact_namespace_weighs_more_than_an_exact_service_account() -> None:
    accounts = [account("by-service-account", ["clim*"], ["trainer"]), account("by-namespace", ["climate"])]
    assert chosen(accounts, "climate", "trainer") == "by-namespace"


def test_a_namespace_of_nobody_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"namespace physics with service account batch.*ask the site"):
        chosen([account("a", ["climate"])], "physics", "batch")


def test_a_service_account_of_nobody_is_refused() -> None:
    with pytest.raises(Refused, match="service account default"):
        chosen([account("a", ["climate"], ["trainer"])], "climate")


def test_patterns_know_upper_case_from_lower() -> None:
    with pytest.raises(Refused):
        chosen([account("a", ["climate"])], "Climate")


def test_a_rule_in_two_accounts_is_named_with_both() -> None:
    accounts = [account("a", ["climate", "x"]), account("b", ["climate"])]
    assert shared_rules(accounts) == ["namespace 'climate' (service accounts '*') is given to a and b"]


def test_the_same_namespace_with_other_service_accounts_is_no_shared_rule() -> None:
    assert shared_rules([account("a", ["climate"]), account("b", ["climate"], ["trainer"])]) == []


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "a*", "*", "b?"]), min_size=1, max_size=3), min_size=1, max_size=4),
    st.sampled_from(["a", "b", "ab", "bc", "zzz"]),
)
def test_an_account_is_found_exactly_when_some_rule_matches(rules: list[list[str]], namespace: str) -> None:
    accounts = [account(f"acc{index}", patterns) for index, patterns in enumerate(rules)]
    owners = [item.name for item in accounts if namespace in item.namespaces]
    try:
        name = chosen(accounts, namespace)
    except Refused:
        assert not owners
        assert all("*" not in item.namespaces for item in accounts)
    else:
        assert not owners or name == owners[0]
