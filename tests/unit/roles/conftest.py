"""The configuration files and units that the roles write for an inventory, rendered once by Ansible itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dte.site.collection import link_checkout

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(__file__).resolve().parents[2] / "data" / "roles"


def ansible(program: str, *arguments: str, home: Path) -> str:
    """Standard output of a program of Ansible that sees this checkout as an installed collection."""
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(link_checkout(ROOT)),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_INJECT_FACT_VARS": "false",
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run([program, *arguments], env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files of tests/data/roles/render.yml, made from the roles' own templates and variables."""
    target = tmp_path_factory.mktemp("rendered")
    inventory = target / "inventory.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"site": host}}}))
    variables = f"render_directory={target}"
    ansible("ansible-playbook", "-i", str(inventory), "-e", variables, str(DATA / "render.yml"), home=target)
    return target
