"""The module managed_files on a real directory of this machine, run by Ansible itself."""

import getpass
import grp
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.conftest import ansible


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Results of the module by step: a dry run, the first run, the same again, and a changed file."""
    home = tmp_path_factory.mktemp("managed")
    owner = {"owner": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
    directory = {"path": str(home / "etc"), "mode": "0750", **owner}
    one = {"path": str(home / "etc" / "one"), "content": "1\n", "mode": "0640", **owner}
    two = {"path": str(home / "etc" / "two"), "content": "$(id) é\n", **owner}
    call = {"directories": [directory], "files": [one, two]}
    again = {"directories": [directory], "files": [{**one, "content": "2\n"}, two]}
    tasks = [
        {"intertwin.dte.managed_files": call, "check_mode": True, "register": "dry"},
        {"intertwin.dte.managed_files": call, "register": "first"},
        {"intertwin.dte.managed_files": call, "register": "second"},
        {"intertwin.dte.managed_files": again, "register": "third"},
    ]
    names = {name: f"{{{{ {name} }}}}" for name in ("dry", "first", "second", "third")}
    save = {"dest": str(home / "results"), "content": "{{ results | to_json }}", "mode": "0600"}
    tasks.append({"ansible.builtin.copy": save, "vars": {"results": names}})
    variables = {"ansible_python_interpreter": sys.executable}
    play = {"hosts": "all", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}
    (home / "play.yml").write_text(json.dumps([play]))
    ansible("ansible-playbook", "-i", "localhost,", str(home / "play.yml"), home=home)
    return {"home": home, **json.loads((home / "results").read_text())}


def paths(steps: dict[str, Any], name: str) -> list[str]:
    return [Path(path).name for path in steps[name]["changed_paths"]]


def test_a_dry_run_names_what_would_change(steps: dict[str, Any]) -> None:
    assert paths(steps, "dry") == ["etc", "one", "two"]


def test_the_first_run_does_what_the_dry_run_said(steps: dict[str, Any]) -> None:
    assert paths(steps, "first") == ["etc", "one", "two"]
    assert (steps["home"] / "etc" / "two").read_text() == "$(id) é\n"


def test_modes_are_those_that_were_asked(steps: dict[str, Any]) -> None:
    modes = [oct((steps["home"] / name).stat().st_mode & 0o777) for name in ("etc", "etc/one", "etc/two")]
    assert modes == ["0o750", "0o640", "0o644"]


def test_a_second_run_changes_nothing(steps: dict[str, Any]) -> None:
    assert (steps["second"]["changed"], steps["second"]["changed_paths"]) == (False, [])


def test_only_the_file_that_differs_is_written_and_shown(steps: dict[str, Any]) -> None:
    assert paths(steps, "third") == ["one"]
    (diff,) = steps["third"]["diff"]
    assert (diff["before"], diff["after"]) == ("1\n", "2\n")
