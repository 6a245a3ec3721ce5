"""Recipes of node images."""

import dataclasses
import datetime
from pathlib import Path

import pytest

from tests.lab.images import Recipe, apt_options, iso_week, mmdebstrap_arguments, recipe, sources
from tests.lab.names import LabError

RECIPE = Recipe("trixie", ("systemd", "munge"), b"#!/bin/sh\n", "2026-W48")


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "bookworm"},
        {"packages": ("systemd",)},
        {"customize": b"x"},
        {"week": "2026-W49"},
        {"from_sid": ("apptainer",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_ingredient_changes_the_tag(change: dict[str, object]) -> None:
    assert dataclasses.replace(RECIPE, **change).tag != RECIPE.tag


def test_the_same_recipe_has_the_same_tag() -> None:
    assert dataclasses.replace(RECIPE).tag == RECIPE.tag
    assert RECIPE.tag.startswith("dte-node:trixie-")


def test_the_last_days_of_december_may_belong_to_week_one() -> None:
    assert iso_week(datetime.date(2025, 12, 31)) == "2026-W01"


def test_an_unknown_suite_is_refused_with_the_list() -> None:
    with pytest.raises(LabError, match="trixie, bookworm"):
        recipe("sid")


def test_sources_come_from_the_mirrors_of_this_machine() -> None:
    targets = (
        "http://m.example/debian bookworm\n"
        "http://m.example/debian bookworm-updates\n"
        "http://s.example/sec bookworm-security\n"
    )
    assert sources(targets, "bookworm", "trixie") == [
        "deb http://m.example/debian trixie main",
        "deb http://s.example/sec trixie-security main",
    ]


def test_sid_comes_last_and_only_when_something_of_it_is_wanted() -> None:
    assert sources("http://m.example/debian bookworm\n", "bookworm", "trixie", with_sid=True)[-1] == (
        "deb [check-valid-until=no] http://m.example/debian sid main"
    )


def test_a_machine_without_a_security_mirror_builds_from_the_main_one() -> None:
    assert sources("http://m.example/debian bookworm\n", "bookworm", "bookworm") == [
        "deb http://m.example/debian bookworm main"
    ]


def test_a_machine_without_sources_is_told_what_to_do() -> None:
    with pytest.raises(LabError, match="apt-get update"):
        sources("", "bookworm", "trixie")


def test_only_settings_of_fetching_are_taken_over() -> None:
    dump = (
        'APT::Install-Recommends "1";\nAcquire::http::Proxy "http://p:3128";\n'
        'Acquire::Check-Date "false";\nAcquire::http "";\n'
    )
    assert apt_options(dump) == ['Acquire::http::Proxy "http://p:3128"', 'Acquire::Check-Date "false"']


def test_packages_of_sid_are_asked_for_by_name_and_no_other_comes_from_there() -> None:
    argv = mmdebstrap_arguments(dataclasses.replace(RECIPE, from_sid=("apptainer",)), [], [], Path("/c/root.tar"))
    assert "--include=systemd,munge,apptainer" in argv
    assert any("Pin-Priority: 50" in argument for argument in argv)


def test_the_command_names_packages_suite_target_and_sources() -> None:
    argv = mmdebstrap_arguments(
        RECIPE, ['Acquire::Check-Date "false"'], ["deb http://m.example trixie main"], Path("/c/root.tar")
    )
    assert "--include=systemd,munge" in argv
    assert '--aptopt=Acquire::Check-Date "false"' in argv
    assert argv[-3:] == ["trixie", "/c/root.tar", "deb http://m.example trixie main"]
