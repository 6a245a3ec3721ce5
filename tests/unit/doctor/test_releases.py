"""A component is looked at by its own release."""

import sys
from pathlib import Path

from dte.doctor.releases import command_of, examine_there
from dte.runtime.doctor.findings import Level


def release(root: Path, script: str) -> Path:
    command = root / "toy" / "current" / "bin" / "dte"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return command


def test_the_release_that_runs_is_not_started_once_more(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "current").symlink_to(sys.prefix)
    assert command_of("toy", tmp_path) is None


def test_another_release_is_found(tmp_path: Path) -> None:
    command = release(tmp_path, "exit 0")
    assert command_of("toy", tmp_path) == command
    assert command_of("other", tmp_path) is None


async def test_its_results_are_taken_over(tmp_path: Path) -> None:
    body = '{"results":[{"instance":"toy@a","check":"size","level":"warning","text":"t","advice":"a"}]}'
    command = release(tmp_path, f"echo '{body}'; exit 1")
    [result] = await examine_there(command, "toy", tmp_path)
    assert (result.instance, result.check, result.finding.level) == ("toy@a", "size", Level.WARNING)


async def test_it_is_told_the_component_and_the_directory(tmp_path: Path) -> None:
    command = release(tmp_path, f'echo "$@" > {tmp_path}/said; echo \'{{"results":[]}}\'')
    assert await examine_there(command, "toy", Path("/etc/dte")) == []
    assert (tmp_path / "said").read_text() == "doctor toy --json --here --etc /etc/dte\n"


async def test_a_release_without_a_doctor_is_a_result(tmp_path: Path) -> None:
    command = release(tmp_path, "echo 'Usage: dte COMPONENT VERB' >&2; exit 2")
    [result] = await examine_there(command, "toy", tmp_path)
    assert result.finding.level is Level.UNKNOWN
    assert "older" in result.finding.advice


async def test_a_release_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    command = release(tmp_path, "echo broken >&2; exit 1")
    [result] = await examine_there(command, "toy", tmp_path)
    assert "broken" in result.finding.text
