"""Waits of the lab."""

import pytest

from tests.lab.names import LabError
from tests.lab.progress import wait_for


def test_a_wait_ends_when_nothing_is_missing() -> None:
    answers = iter(["no node", "one node", None])
    wait_for("nodes", lambda: next(answers), 5, interval_s=0)


def test_a_wait_that_is_too_long_says_what_was_missing_last() -> None:
    with pytest.raises(LabError, match="nodes: not there after 0 s: one node"):
        wait_for("nodes", lambda: "one node", 0, interval_s=0.01)
