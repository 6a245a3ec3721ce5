"""A table of checks is worked through to its end, whatever a check does."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import Field

from dte.runtime.doctor.checks import CannotCheck, Check, Component, Subject, examine, findings_of
from dte.runtime.doctor.findings import Finding, Level, ok, worst
from dte.runtime.errors import Unavailable
from dte.runtime.settings import Settings


class ToySettings(Settings):
    size: int = Field(alias="Size")


ToySubject = Subject[ToySettings]
SUBJECT = Subject("a", Path("a.yaml"), ToySettings(Size=1))


async def says_its_size(subject: ToySubject) -> Sequence[Finding]:
    return [ok(f"size {subject.settings.size}")]


def toy(*functions: Check[ToySettings]) -> Component[ToySettings]:
    return Component("toy", ToySettings, functions)


def configure(etc: Path, name: str, text: str) -> None:
    (etc / "toy").mkdir(exist_ok=True)
    (etc / "toy" / f"{name}.yaml").write_text(text)


async def test_every_instance_is_looked_at_under_the_name_of_its_unit(tmp_path: Path) -> None:
    configure(tmp_path, "b", "Size: 2")
    configure(tmp_path, "a", "Size: 1")
    results = await examine(toy(Check("size", "toy", says_its_size)), tmp_path)
    found = [(result.instance, result.finding.text) for result in results if result.check == "size"]
    assert found == [("toy@a", "size 1"), ("toy@b", "size 2")]


async def test_a_broken_configuration_is_told_with_all_its_problems_and_the_other_instance_is_looked_at(
    tmp_path: Path,
) -> None:
    configure(tmp_path, "a", "Size: big\nShape: round")
    configure(tmp_path, "b", "Size: 2")
    results = await examine(toy(Check("size", "toy", says_its_size)), tmp_path)
    wrong = [result.finding.text for result in results if result.instance == "toy@a"]
    assert len(wrong) == 2
    assert "Shape: unknown key" in wrong[0]
    assert any(result.finding.text == "size 2" for result in results)


async def test_a_component_that_is_not_configured_has_no_results(tmp_path: Path) -> None:
    assert await examine(toy(), tmp_path) == []


@pytest.mark.parametrize(
    ("error", "level", "words"),
    [
        pytest.param(
            CannotCheck("only twin01 sees it"), Level.UNKNOWN, "cannot check: only twin01 sees it", id="rights"
        ),
        pytest.param(PermissionError(13, "Permission denied", "/x"), Level.UNKNOWN, "cannot check: /x", id="errno"),
        pytest.param(Unavailable("systemctl is not there"), Level.UNKNOWN, "systemctl is not there", id="missing"),
    ],
)
async def test_what_a_check_raises_becomes_a_finding(error: Exception, level: Level, words: str) -> None:
    async def raises(_: ToySubject) -> Sequence[Finding]:
        raise error

    [finding] = await findings_of(Check("x", "toy", raises), SUBJECT)
    assert finding.level is level
    assert words in finding.text
    assert finding.advice


async def test_a_check_that_hangs_is_cut_off() -> None:
    async def hangs(_: ToySubject) -> Sequence[Finding]:
        await asyncio.Event().wait()
        return []

    [finding] = await findings_of(Check("x", "toy", hangs), SUBJECT, limit_s=0.01)
    assert finding.level is Level.UNKNOWN
    assert "no result within" in finding.text


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([], Level.OK),
        ([Level.OK, Level.UNKNOWN], Level.UNKNOWN),
        ([Level.UNKNOWN, Level.WARNING], Level.WARNING),
        ([Level.WARNING, Level.CRITICAL, Level.UNKNOWN], Level.CRITICAL),
    ],
)
def test_what_is_known_to_be_wrong_weighs_more_than_what_could_not_be_seen(
    levels: list[Level], expected: Level
) -> None:
    assert worst(levels) is expected
