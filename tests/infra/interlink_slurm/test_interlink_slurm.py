"""The Slurm sidecars that the role left on its node."""

from typing import Any

import pytest

from tests.infra import nodes

testinfra_hosts = [nodes.testinfra_host("role-edge")]

ACCOUNTS = {"twin01": 9110, "twin02": 9199}


def ready(port: int) -> str:
    return f"curl --silent --fail http://127.0.0.1:{port}/readyz"


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_sidecar_runs_as_its_account_and_comes_back_after_a_reboot(host: Any, account: str) -> None:
    unit = f"interlink-slurm@{account}.service"
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled
    assert nodes.owner_of(host, unit) == account


@pytest.mark.parametrize("account", ACCOUNTS)
def test_only_the_apis_group_reaches_the_socket(host: Any, account: str) -> None:
    directory = host.file("/run/dte/interlink-slurm")
    assert (directory.user, directory.group, directory.mode) == ("root", "dte-interlink-api", 0o710)
    socket = host.file(f"/run/dte/interlink-slurm/{account}.sock")
    assert socket.is_socket
    assert (socket.user, socket.group, socket.mode) == ("root", "dte-interlink-api", 0o660)


def test_another_account_does_not_reach_the_socket(host: Any) -> None:
    command = "curl --silent --unix-socket /run/dte/interlink-slurm/twin01.sock http://localhost/status"
    assert host.run(f"setpriv --reuid=twin02 --regid=twin02 --init-groups {command}").rc == 7  # cannot connect


@pytest.mark.parametrize(("account", "port"), ACCOUNTS.items())
def test_the_sidecar_is_ready_and_answers_a_ping(host: Any, account: str, port: int) -> None:
    host.check_output(ready(port))
    socket = f"--unix-socket /run/dte/interlink-slurm/{account}.sock"
    answer = host.check_output(f"curl --silent --fail {socket} --request GET --data '[]' http://localhost/status")
    assert '"cpu"' in answer  # the partition's, so Slurm was asked


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_job_root_is_the_accounts_alone(host: Any, account: str) -> None:
    directory = host.file(f"/exa/{account}/roles")
    assert (directory.user, directory.group, directory.mode) == (account, account, 0o700)


def test_the_configuration_cannot_be_changed_by_the_account(host: Any) -> None:
    file = host.file("/etc/dte/interlink-slurm/twin01.yaml")
    assert (file.user, file.mode) == ("root", 0o644)


def test_systemd_has_no_complaint_about_the_unit(host: Any) -> None:
    assert nodes.complaints(host, "interlink-slurm@twin01.service") == ""


def test_the_unit_is_hardened(host: Any) -> None:
    assert nodes.exposure(host, "interlink-slurm@twin01.service") <= nodes.MAX_EXPOSURE
    properties = host.check_output("systemctl show interlink-slurm@twin01.service -p ProtectSystem -p NoNewPrivileges")
    assert set(properties.split()) == {"ProtectSystem=strict", "NoNewPrivileges=yes"}


def test_a_killed_sidecar_comes_back_by_itself(host: Any) -> None:
    unit = "interlink-slurm@twin01.service"
    old = nodes.main_pid(host, unit)
    assert nodes.kill_and_wait(host, unit, ready(9110)) != old


def test_one_release_is_current(host: Any) -> None:
    link = host.file("/opt/dte/interlink-slurm/current")
    assert link.is_symlink
    assert host.check_output("/opt/dte/interlink-slurm/current/bin/dte --version") == "0.1.0"
