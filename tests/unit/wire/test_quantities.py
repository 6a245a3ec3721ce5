"""Amounts as Kubernetes writes them."""

from decimal import Decimal

import pytest
from hypothesis import given, strategies

from dte.interlink.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("500m", "0.5"),
        ("2", "2"),
        ("1.5Gi", "1610612736"),
        ("3000G", "3e12"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("1E", "1e18"),
    ],
)
def test_each_spelling(text: str, amount: str) -> None:
    assert parse_quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "-1", "1 Gi", "Gi", "1KiB", "1ki", "0x1", "1e", "\u0661"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        parse_quantity(text)


@given(strategies.text(max_size=30))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    try:
        assert parse_quantity(text) >= 0
    except ValueError as error:
        assert repr(text) in str(error)
