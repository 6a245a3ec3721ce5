"""References to variables in commands and values."""

import pytest
from hypothesis import given, strategies

from dte.interlink.expansion import expand


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(B)", "$(B)"),
        ("$(id)", "$(id)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(REF)", "$(A)"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("$$", "$"),
    ],
)
def test_only_known_names_in_round_brackets_are_replaced_once(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "REF": "$(A)"}) == expanded


@given(strategies.text(alphabet="$()A "))
def test_doubling_every_dollar_protects_any_text(text: str) -> None:
    assert expand(text.replace("$", "$$"), {"A": "1"}) == text
