"""The offline archive: what goes in for which Python, and the same bytes for the same content."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.tools.project import EXTRAS, dependencies, lock_file
from tests.tools.wheelhouse import applicable, write_tar

LOCK = """# head
aiohttp==3.14.5 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
async-timeout==5.0.1 ; python_full_version < '3.12' \\
    --hash=sha256:cc
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:dd
"""


def names(entries: list[str]) -> list[str]:
    return [entry.split("==")[0] for entry in entries]


def test_markers_are_judged_for_the_python_of_the_host() -> None:
    assert names(applicable(LOCK, "3.11")) == ["aiohttp", "async-timeout"]
    assert names(applicable(LOCK, "3.13")) == ["aiohttp"]


def test_an_entry_keeps_all_its_hashes_and_loses_its_marker() -> None:
    _, entry = applicable(LOCK, "3.11")
    assert entry == "async-timeout==5.0.1 \\\n    --hash=sha256:cc"
    assert applicable(LOCK, "3.13")[0].count("--hash") == 2


def test_the_archive_depends_on_its_content_only(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {"b": b"2", "a": b"1"})
    write_tar(tmp_path / "b.tar", {"a": b"1", "b": b"2"})
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize("component", EXTRAS)
def test_the_lock_file_holds_what_the_component_needs(component: str) -> None:
    locked = {
        requirement.name.lower().replace("_", "-"): requirement
        for entry in applicable(lock_file(component).read_text(), "3.13")
        for requirement in [Requirement(entry.split(" ")[0])]
    }
    for text in dependencies(component):
        wanted = Requirement(text)
        (pinned,) = locked[wanted.name.lower().replace("_", "-")].specifier
        assert wanted.specifier.contains(pinned.version), f"{text}: run python -m tests.tools.lock"
