"""The shared role is no role to run."""

import sys
from pathlib import Path

import pytest

from tests.unit.roles.conftest import ansible


def test_the_shared_role_refuses_direct_use(tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        "- hosts: all\n  connection: local\n  gather_facts: false\n"
        f"  vars: {{dte_version: x, ansible_python_interpreter: {sys.executable}}}\n"
        "  roles: [intertwin.dte.dte]\n"
    )
    with pytest.raises(AssertionError, match="does nothing alone"):
        ansible("ansible-playbook", "-i", "localhost,", str(playbook), home=tmp_path)
