"""Cross-checks of an inventory."""

from typing import Any

import pytest
from ansible_collections.intertwin.dte.plugins.module_utils import _preflight as preflight

GOOD: list[dict[str, Any]] = [
    {"name": "twin01", "job_root": "/exa/twin01/interlink", "namespaces": ["climate"]},
    {"name": "twin02", "job_root": "/exa/twin02/interlink", "namespaces": ["physics", "lofar-*"]},
]
RELEASE = {
    "version": "0.1.0",
    "collection_version": "0.1.0",
    "wheelhouse": "/srv/w.tar",
    "wheelhouse_exists": True,
    "index_url": "",
    "wheel_exists": False,
}


def test_a_good_list_of_accounts_has_no_problem() -> None:
    assert preflight.slurm_account_problems(GOOD, 9110) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"name": "../etc"}, "no name of a local account", id="name"),
        pytest.param({"name": "twin02"}, "name twin02 is given twice", id="name twice"),
        pytest.param({"job_root": "exa"}, "no absolute path", id="relative root"),
        pytest.param({"job_root": "/exa/../etc"}, "no absolute path", id="root with .."),
        pytest.param({"job_root": "/exa/twin02/interlink/"}, "is given twice", id="root twice"),
        pytest.param({"namespaces": ["lofar-survey"]}, "overlap", id="namespace under another's pattern"),
        pytest.param({"namespaces": ["*"]}, "overlap", id="pattern over another's namespace"),
        pytest.param({"admin_port": 9111}, "admin_port 9111 is given twice", id="port"),
    ],
)
def test_each_problem_of_an_account_is_named(change: dict[str, Any], words: str) -> None:
    problems = preflight.slurm_account_problems([{**GOOD[0], **change}, GOOD[1]], 9110)
    assert any(words in problem for problem in problems)
    assert all(problem.startswith("interlink_slurm_accounts: ") for problem in problems)


def test_all_problems_come_at_once() -> None:
    accounts = [{"name": "Twin", "job_root": "exa", "namespaces": ["a"]}] * 2
    assert len(preflight.slurm_account_problems(accounts, 9110)) == 6


def test_accounts_that_look_at_the_service_account_may_share_a_namespace() -> None:
    shared = [{**item, "namespaces": ["climate"], "service_accounts": [item["name"]]} for item in GOOD]
    assert preflight.slurm_account_problems(shared, 9110) == []


def test_an_account_that_the_host_does_not_have_is_named() -> None:
    lines = ["twin01:x:2001:2001::/home/twin01:/bin/bash"]
    (problem,) = preflight.passwd_problems(lines, GOOD)
    assert problem.startswith("interlink_slurm_accounts: twin02 does not exist")


def test_a_system_account_runs_no_jobs() -> None:
    lines = ["twin01:x:999:999::/:/bin/sh", "twin02:x:1000:1000::/:/bin/sh"]
    (problem,) = preflight.passwd_problems(lines, GOOD)
    assert "uid 999" in problem


def test_a_release_from_an_archive_has_no_problem() -> None:
    assert preflight.release_problems(RELEASE) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "0.2.0"}, "dte_version: is 0.2.0, but this collection is intertwin.dte 0.1.0"),
        ({"wheelhouse": ""}, "neither is set"),
        ({"index_url": "https://mirror.example/simple", "wheel_exists": True}, "both are set"),
        ({"wheelhouse_exists": False}, "is no file on the control node"),
        ({"wheelhouse": "", "index_url": "https://mirror.example/simple"}, "holds no wheel"),
    ],
)
def test_each_problem_of_a_release_is_named(change: dict[str, Any], words: str) -> None:
    (problem,) = preflight.release_problems({**RELEASE, **change})
    assert words in problem


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({}, "is empty"),
        ({"Vega": {"kubelet_port": 1}}, "no name of a Kubernetes node"),
        ({"vega": {}}, "has no kubelet_port"),
        ({"a": {"kubelet_port": 10250}, "b": {"kubelet_port": 10250}}, "port 10250 is given twice"),
        ({"a": {"kubelet_port": 9130}}, "port 9130 is given twice"),
    ],
)
def test_each_problem_of_a_virtual_node_is_named(nodes: dict[str, Any], words: str) -> None:
    (problem,) = preflight.virtual_node_problems(nodes, 9130, "https://edge")
    assert words in problem


def test_a_virtual_node_needs_a_site() -> None:
    (problem,) = preflight.virtual_node_problems({"a": {"kubelet_port": 1}}, 9130, "")
    assert "has no interlink_url" in problem


@pytest.mark.parametrize("listen", ["443", "0.0.0.0", "0.0.0.0:", "0.0.0.0:70000", "host:port"])
def test_an_address_that_is_no_address_is_named(listen: str) -> None:
    (problem,) = preflight.api_problems([{"Name": "a"}], listen)
    assert "is not host:port" in problem


def test_an_api_without_accounts_serves_nobody() -> None:
    (problem,) = preflight.api_problems([], "[::]:443")
    assert "would serve nobody" in problem


def test_slurms_words_reach_the_operator() -> None:
    results = [
        {"item": {"name": "twin01"}, "rc": 0, "stderr": "sbatch: Job 1 to start"},
        {"item": {"name": "twin02"}, "rc": 1, "stderr": "sbatch: error: Invalid account"},
    ]
    (problem,) = preflight.submit_problems(results, "edge")
    assert problem.startswith("edge: sbatch as twin02: sbatch: error: Invalid account")


@pytest.mark.parametrize(("given", "words"), [(0, "neither is set"), (2, "both are set")])
def test_a_kubeconfig_is_named_in_exactly_one_way(given: int, words: str) -> None:
    (problem,) = preflight.kubeconfig_problems(given)
    assert words in problem
    assert preflight.kubeconfig_problems(1) == []
