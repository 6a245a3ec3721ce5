"""The hosts as the roles find them."""

import os

import pytest

from tests.lab import engine, hosts, images, site, systemd
from tests.lab.names import Lab, LabError, this_lab, wanted_suite


@pytest.fixture(scope="module")
def lab() -> Lab:
    site.up(this_lab(), ["hosts"], wanted_suite(os.environ))
    return this_lab()


@pytest.mark.parametrize("host", [hosts.EDGE, hosts.FEDERATION])
def test_the_administrator_becomes_root_without_a_password(lab: Lab, host: str) -> None:
    assert engine.execute(lab.container(host), ["sudo", "-n", "id", "-u"], user="admin").strip() == "0"


@pytest.mark.parametrize("host", [hosts.EDGE, hosts.FEDERATION])
def test_all_units_of_a_new_host_are_well(lab: Lab, host: str) -> None:
    broken = ["systemctl", "--failed", "--no-legend", "--plain", "list-units", "munge*", "systemd*", "dbus*"]
    assert engine.execute(lab.container(host), broken) == ""


def test_the_account_submits_from_the_edge(lab: Lab) -> None:
    script = b"#!/bin/sh\nhostname > edge.out\n"
    submit = ["sbatch", "--wait", "--export=NIL", "--chdir=/exa/twin01", "--output=none"]
    engine.execute(lab.container(hosts.EDGE), [*hosts.as_account("twin01"), *submit], stdin=script)
    written = [*hosts.as_account("twin01"), "cat", "/exa/twin01/edge.out"]
    assert engine.execute(lab.container(hosts.EDGE), written).strip() == "slurm1"


def test_accounting_answers_on_the_edge(lab: Lab) -> None:
    command = [*hosts.as_account("twin02"), "sacctmgr", "--noheader", "show", "assoc", "user=twin02", "format=account"]
    assert engine.execute(lab.container(hosts.EDGE), command).split() == ["d2026-07"]


def test_everybody_reads_certificates_and_only_root_reads_keys(lab: Lab) -> None:
    container = lab.container(hosts.FEDERATION)
    for name in ("ca.pem", "host.pem", "client.pem", "kubelet-client-ca.pem"):
        engine.execute(container, ["cat", f"{hosts.PKI_DIRECTORY}/{name}"], user="twin01")
    for name in ("host.key", "client.key", "kubeconfig"):
        with pytest.raises(LabError, match="Permission denied"):
            engine.execute(container, ["cat", f"{hosts.PKI_DIRECTORY}/{name}"], user="twin01")


def test_a_container_of_somebody_else_joins(lab: Lab) -> None:
    image = images.ensure_image(wanted_suite(os.environ))
    name = lab.container("guest")
    network = ("--network", lab.network, "--hostname", "guest", "--volume", f"{lab.volume}:/exa")
    engine.docker("run", "--detach", "--name", name, "--label", lab.label, *systemd.OPTIONS, *network, image)
    try:
        site.join(lab, [name])
        assert "main" in engine.execute(name, ["sinfo", "--noheader"], user="twin01")
        engine.execute(name, ["openssl", "x509", "-in", "/etc/pki/dte/host.pem", "-noout", "-checkhost", "guest"])
    finally:
        engine.remove_containers([name])
