"""The thresholds of probes, without a clock."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.jobs.supervisor.probes import Probe

ORDER: dict[str, Any] = {
    "action": {},
    "initial_delay_s": 0,
    "period_s": 10,
    "timeout_s": 1,
    "success_threshold": 2,
    "failure_threshold": 3,
    "grace_s": None,
}


@pytest.mark.parametrize(
    ("answers", "conclusions"),
    [
        ("++++", [None, True, True, True]),
        ("---", [None, None, False]),
        ("--+--", [None, None, None, None, None]),
        ("++--+++", [None, True, None, None, None, True, True]),
    ],
)
def test_only_so_many_equal_answers_in_a_row_count(answers: str, conclusions: list[bool | None]) -> None:
    probe = Probe(ORDER)
    assert [probe.conclude(answer == "+") for answer in answers] == conclusions


@given(st.lists(st.booleans()), st.integers(1, 5), st.integers(1, 5))
def test_a_conclusion_is_the_answer_that_was_just_given(answers: list[bool], success: int, failure: int) -> None:
    probe = Probe({**ORDER, "success_threshold": success, "failure_threshold": failure})
    for number, answer in enumerate(answers):
        threshold = success if answer else failure
        in_a_row = number + 1 >= threshold and set(answers[number + 1 - threshold : number + 1]) == {answer}
        assert probe.conclude(answer) is (answer if in_a_row else None)


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.0, 10.0), (4.0, 6.0), (30.0, 0.0)])
def test_a_slow_answer_delays_the_next_question_not_at_all_or_by_itself(took_s: float, pause_s: float) -> None:
    assert Probe(ORDER).pause_s(took_s) == pause_s
