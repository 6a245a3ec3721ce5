"""Kubernetes quantities ("500m", "3000G", "1.5Gi", "1e3") as numbers. No I/O here.

Source: the Quantity type of the Kubernetes API reference.
"""

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"\+?(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])|[eE]([+-]?\d{1,2}))?", re.A
)

_FACTORS: dict[str | None, Decimal] = {
    None: Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: str) -> Decimal:
    """The amount in its base unit (cores, bytes, pieces).

    Raises ValueError for what is no quantity, and for a negative one: no resource has a negative amount.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"not a Kubernetes quantity such as 500m, 4 or 16Gi: {text!r}")
    number, suffix, exponent = match.groups()
    return Decimal(number) * _FACTORS[suffix] * Decimal(10) ** int(exponent or 0)
