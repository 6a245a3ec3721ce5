"""The shared role: no role to run, and its preflight on platforms that we do not have."""

import json
import sys
from pathlib import Path

import pytest

from tests.tools.project import version
from tests.unit.roles.conftest import ansible


def run_play(directory: Path, facts: dict[str, str], **play: object) -> str:
    """Run one play on this machine as a host with `facts`; AssertionError with Ansible's words when it fails."""
    archive = directory / "wheelhouse.tar"
    archive.touch()
    variables = {
        "dte_version": version(),
        "dte_wheelhouse": str(archive),
        "dte_preflight_problems": [],
        "ansible_facts": facts,
        "ansible_python_interpreter": sys.executable,
    }
    whole = {"hosts": "all", "connection": "local", "gather_facts": False, "vars": variables, **play}
    playbook = directory / "play.yml"
    playbook.write_text(json.dumps([whole]))
    return ansible("ansible-playbook", "-i", "localhost,", str(playbook), home=directory)


def preflight(**variables: object) -> list[dict[str, object]]:
    role = {"name": "intertwin.dte.dte", "tasks_from": "preflight.yml"}
    return [{"ansible.builtin.import_role": role, "vars": variables}]


def platform(family: str, version_of_it: str) -> dict[str, str]:
    return {"os_family": family, "distribution": family, "distribution_major_version": version_of_it}


def test_the_shared_role_refuses_direct_use(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="does nothing alone"):
        run_play(tmp_path, {}, roles=["intertwin.dte.dte"])


def test_a_tested_platform_passes(tmp_path: Path) -> None:
    assert "failed=0" in run_play(tmp_path, platform("Debian", "12"), tasks=preflight())


@pytest.mark.parametrize("release", ["9", "10"])
def test_el_says_that_nobody_ran_it(tmp_path: Path, release: str) -> None:
    with pytest.raises(AssertionError, match=f"EL {release} is written from documentation"):
        run_play(tmp_path, platform("RedHat", release), tasks=preflight())


def test_el_goes_on_when_the_operator_says_so(tmp_path: Path) -> None:
    tasks = preflight(dte_allow_untested_platform=True)
    assert "failed=0" in run_play(tmp_path, platform("RedHat", "9"), tasks=tasks)


def test_a_platform_that_nobody_wrote_for_is_refused_even_then(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="Suse-15 is not supported"):
        run_play(tmp_path, platform("Suse", "15"), tasks=preflight(dte_allow_untested_platform=True))
