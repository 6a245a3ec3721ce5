"""From the inventory's lists and mappings to instances and configuration keys."""

import pytest
from ansible_collections.intertwin.dte.plugins.module_utils import _instances as instances


def test_names_of_a_mapping_become_a_key_in_the_inventorys_order() -> None:
    named = {"b": {"kubelet_port": 2}, "a": None}
    assert instances.instances(named) == [{"kubelet_port": 2, "name": "b"}, {"name": "a"}]


def test_ports_follow_the_place_in_the_list_unless_given() -> None:
    entries = [{"name": "a"}, {"name": "b", "admin_port": 9999}, {"name": "c"}]
    assert [item["admin_port"] for item in instances.with_admin_port(entries, 9110)] == [9110, 9999, 9112]


@pytest.mark.parametrize(
    ("listen", "address"),
    [("127.0.0.1", "127.0.0.1:9110"), ("unix", "unix:///run/dte/interlink-slurm/a.admin.sock")],
)
def test_an_admin_listener_is_a_port_or_a_socket(listen: str, address: str) -> None:
    (item,) = instances.with_admin([{"name": "a"}], "interlink-slurm", listen, 9110)
    assert item["admin"] == address


def test_a_socket_is_looked_at_before_its_service() -> None:
    watched = instances.watched_daemons([{"name": "a", "admin": "h:1"}], "x@", with_socket=True)
    assert watched == [{"unit": "x@a.socket"}, {"unit": "x@a.service", "admin": "h:1"}]


def test_a_unit_may_write_below_the_first_directory_of_each_job_root() -> None:
    assert instances.writable_roots(["/exa/t1/j", "/home/t2", "/exa/t3/"]) == ["/exa", "/home"]


def test_an_account_listens_on_the_socket_of_its_name() -> None:
    accounts = [
        {"name": "a", "namespaces": ["n"]},
        {"name": "b", "namespaces": ["m"], "socket": "/s", "list_bodies": True},
    ]
    assert instances.sidecar_accounts(accounts, "/run/x") == [
        {"Name": "a", "Socket": "/run/x/a.sock", "Namespaces": ["n"]},
        {"Name": "b", "Socket": "/s", "Namespaces": ["m"], "ListBodies": True},
    ]


@pytest.mark.parametrize(
    ("key", "spelling"),
    [("gres_map", "GresMap"), ("cpu_default", "CPUDefault"), ("cpu", "CPU"), ("SlurmFlags", "SlurmFlags")],
)
def test_keys_are_spelled_as_configuration_files_do(key: str, spelling: str) -> None:
    assert instances.camel_key(key) == spelling


def test_keys_that_are_data_stay() -> None:
    flavors = {"gpu": {"gres_map": {"nvidia.com/gpu": "gpu:h100"}, "slurm_flags": ["--exclusive"]}}
    assert instances.camel_keys(flavors) == {
        "gpu": {"GresMap": {"nvidia.com/gpu": "gpu:h100"}, "SlurmFlags": ["--exclusive"]}
    }


def test_taints_are_respelled() -> None:
    assert instances.resource_keys({"taints": [{"key": "a", "effect": "NoSchedule"}]}) == {
        "Taints": [{"Key": "a", "Effect": "NoSchedule"}]
    }
