"""The level of a daemon's log."""

import logging

import pytest

from dte.runtime.logs import level_of


@pytest.mark.parametrize(
    ("verbose", "errors_only", "level"),
    [
        (False, False, logging.INFO),
        (True, False, logging.DEBUG),
        (False, True, logging.ERROR),
        (True, True, logging.DEBUG),
    ],
)
def test_two_settings_choose_the_level_and_verbose_wins(verbose: bool, errors_only: bool, level: int) -> None:
    assert level_of(verbose=verbose, errors_only=errors_only) == level
