"""The inventories to copy: short, parsed by Ansible, and accepted by the roles' argument specs."""

import json
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from tests.tools.role_readmes import spec
from tests.unit.roles.conftest import ROOT, ansible

MAX_LINES = 40


def test_an_operators_inventory_is_short() -> None:
    vega = ROOT / "inventories" / "vega"
    files = [vega / "hosts.yml", *vega.glob("group_vars/*")]
    assert sum(len(path.read_text().splitlines()) for path in files) <= MAX_LINES


def test_every_group_is_there_and_the_edge_host_has_both_roles(tmp_path: Path) -> None:
    inventory = str(ROOT / "inventories" / "vega")
    graph = json.loads(ansible("ansible-inventory", "-i", inventory, "--list", home=tmp_path))
    assert set(graph["all"]["children"]) >= {"interlink_api", "interlink_slurm", "virtual_kubelet"}
    assert graph["hpc_edge"]["hosts"] == ["interlink.vega.example"]
    assert graph["interlink_api"]["children"] == graph["interlink_slurm"]["children"] == ["hpc_edge"]


@pytest.mark.parametrize("role", ["dte", "interlink_slurm", "interlink_api"])
def test_the_operators_variables_pass_the_argument_specs(role: str) -> None:
    variables = yaml.safe_load((ROOT / "inventories" / "vega" / "group_vars" / "all.yml").read_text())
    options = spec(ROOT / "roles" / role)
    result = ArgumentSpecValidator(dict(options)).validate({k: v for k, v in variables.items() if k in options})
    assert result.error_messages == []


def test_every_variable_of_the_operator_is_known_to_a_role() -> None:
    variables = yaml.safe_load((ROOT / "inventories" / "vega" / "group_vars" / "all.yml").read_text())
    known = {name for role in ("dte", "interlink_slurm", "interlink_api") for name in spec(ROOT / "roles" / role)}
    known |= {"dte_tls_certificate_file", "dte_tls_key_file"}
    assert set(variables) <= known
