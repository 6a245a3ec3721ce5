"""Amounts of resources as nodes and pods write them."""

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from dte.interlink.quantities import parse_quantity

_QUALIFIED = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_NATIVE = frozenset(("cpu", "memory", "pods", "ephemeral-storage"))


def is_qualified_name(text: str) -> bool:
    """True for a name of a label, taint or resource, with or without the domain that owns it (API reference)."""
    return _QUALIFIED.fullmatch(text) is not None


def is_resource(name: str) -> bool:
    """True for a resource that a node may offer: Kubernetes' own, or one with a domain."""
    return name in _NATIVE or ("/" in name and is_qualified_name(name))


def is_capacity(text: object) -> bool:
    """True for a quantity that a node may have: well formed, so not negative."""
    if not isinstance(text, str):
        return False
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def divided(value: Decimal, divisor: Decimal) -> int:
    """`value` in units of `divisor`, rounded up, as a resourceFieldRef gives it."""
    return int((value / divisor).to_integral_value(rounding=ROUND_CEILING))


def same_amounts(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """True for the same resources in the same amounts, however written: the API server makes 3T of 3000G."""
    if one.keys() != other.keys():
        return False
    return all(is_capacity(one[key]) and is_capacity(other[key]) for key in one) and all(
        parse_quantity(str(one[key])) == parse_quantity(str(other[key])) for key in one
    )
