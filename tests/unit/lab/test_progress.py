"""Waits of the lab."""

import pytest

from tests.lab.names import LabError
from tests.lab.progress import saying, wait_for


def test_a_wait_ends_when_nothing_is_missing() -> None:
    answers = iter(["no node", "one node", None])
    wait_for("nodes", lambda: next(answers), 5, interval_s=0)


def test_a_wait_that_is_too_long_says_what_was_missing_last() -> None:
    with pytest.raises(LabError, match="nodes: not there after 0 s: one node"):
        wait_for("nodes", lambda: "one node", 0, interval_s=0.01)


def test_work_that_takes_long_is_spoken_of_again(capsys: pytest.CaptureFixture[str]) -> None:
    with saying("building", every_s=0.01):
        wait_for("a reminder", lambda: None if "still building" in capsys.readouterr().err else "none yet", 10)
