from typing import Any

import pytest

from dte.interlink.jobs.command import arguments, environment
from dte.runtime.errors import Malformed, Refused


def test_the_last_of_two_variables_of_one_name_counts() -> None:
    container = {"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "E"}]}
    assert environment(container) == {"A": "2", "E": ""}


HOSTILE = ["a'b\"c", "line\nline", "$(id)", "`id`", "\\", "ünïcode", " ", "x" * 10_000, "\x01\x7f"]


@pytest.mark.parametrize("value", HOSTILE)
def test_values_stay_byte_for_byte(value: str) -> None:
    container = {"name": "c", "env": [{"name": "A", "value": value}], "command": ["p"], "args": ["$(A)"]}
    variables = environment(container)
    assert (variables["A"], arguments(container, variables)) == (value, ["p", value])


@pytest.mark.parametrize("name", ["", "A=B", "A\nB", "Ä", None, 3])
def test_a_bad_variable_name_is_refused(name: Any) -> None:
    with pytest.raises(Refused, match="environment variable"):
        environment({"name": "c", "env": [{"name": name, "value": ""}]})


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_a_value_that_no_process_can_have_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="env A"):
        environment({"name": "c", "env": [{"name": "A", "value": value}]})


@pytest.mark.parametrize("more", [{"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]}, {"envFrom": [{}]}])
def test_references_that_nobody_resolved_are_refused(more: Any) -> None:
    with pytest.raises(Refused, match="resolved"):
        environment({"name": "c", **more})


def test_args_without_a_command_are_refused_because_the_entry_point_is_not_known() -> None:
    with pytest.raises(Refused, match="entry point"):
        arguments({"name": "c", "args": ["x"]}, {})


def test_arguments_that_are_no_strings_are_malformed() -> None:
    with pytest.raises(Malformed, match="list of strings"):
        arguments({"name": "c", "command": ["sleep", 3]}, {})
