"""The interLink API that the role left on its node."""

from typing import Any

from tests.infra import nodes

testinfra_hosts = [nodes.testinfra_host("role-edge")]

UNIT = "interlink-api.service"
READY = "curl --silent --fail http://127.0.0.1:9101/readyz"
STATUS = "curl --silent --cacert /etc/pki/dte/ca.pem --request GET --data '[]' --write-out '%{http_code}'"
URL = "https://role-edge:8443/status"


def client_of_the_federation(host: Any) -> str:
    """Options of curl for a client certificate of the site's CA."""
    directory = "/etc/pki/dte"
    assert host.file(f"{directory}/client.pem").exists
    return f"--cert {directory}/client.pem --key {directory}/client.key"


def test_the_api_runs_as_its_own_user_and_comes_back_after_a_reboot(host: Any) -> None:
    assert host.service(UNIT).is_running
    assert host.service(UNIT).is_enabled
    assert host.service("interlink-api.socket").is_enabled
    assert nodes.owner_of(host, UNIT) == "dte-interlink-api"
    assert host.user("dte-interlink-api").shell == "/usr/sbin/nologin"


def test_a_client_with_a_certificate_is_answered(host: Any) -> None:
    """By the API itself: with no sidecar on this node it cannot know yet whose pods there are, and says so."""
    answer = host.check_output(f"{STATUS} {client_of_the_federation(host)} {URL}")
    assert answer.endswith("503")
    assert "has not heard from the sidecars of twin01, twin02" in answer


def test_a_client_without_certificate_is_not(host: Any) -> None:
    done = host.run(f"{STATUS} {URL}")
    assert done.rc != 0
    assert done.stdout == "000"  # no HTTP answer at all: TLS ended it


def test_the_accounts_are_those_of_the_slurm_sidecars(host: Any) -> None:
    file = host.file("/etc/dte/interlink-api.yaml")
    assert (file.user, file.group, file.mode) == ("root", "dte-interlink-api", 0o640)
    assert "Socket: /run/dte/interlink-slurm/twin01.sock" in file.content_string
    assert "Socket: /run/dte/interlink-slurm/twin02.sock" in file.content_string


def test_the_key_is_readable_by_the_daemons_only(host: Any) -> None:
    key = host.file("/etc/pki/dte/host.key")
    assert (key.group, key.mode) == ("dte-tls", 0o640)
    assert "dte-tls" in host.user("dte-interlink-api").groups


def test_the_record_of_owners_is_the_apis_alone(host: Any) -> None:
    directory = host.file("/var/lib/dte/interlink-api")
    assert (directory.user, directory.mode) == ("dte-interlink-api", 0o700)


def test_systemd_has_no_complaint_about_the_unit(host: Any) -> None:
    assert nodes.complaints(host, UNIT) == ""


def test_the_unit_is_hardened(host: Any) -> None:
    assert nodes.exposure(host, UNIT) <= nodes.MAX_EXPOSURE
    assert host.check_output(f"systemctl show --value -p ProtectSystem {UNIT}") == "strict"


def test_a_killed_api_comes_back_by_itself(host: Any) -> None:
    old = nodes.main_pid(host, UNIT)
    assert nodes.kill_and_wait(host, UNIT, READY) != old
