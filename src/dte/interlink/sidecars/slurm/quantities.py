"""Amounts of CPU and memory, as Kubernetes and SLURM write them -> numbers. Pure."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from types import MappingProxyType
from typing import Final

MIB: Final = 1 << 20

_QUANTITY = re.compile(r"\+?([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE]([+-]?[0-9]{1,2})|([numkKMGTPE]?i?))")
_FACTOR_OF_SUFFIX: Final = MappingProxyType(
    {"": Fraction(1), "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "k": Fraction(1000)}
    | {letter: Fraction(1000 ** (power + 2)) for power, letter in enumerate("MGTPE")}
    | {f"{letter}i": Fraction(1024 ** (power + 1)) for power, letter in enumerate("KMGTPE")}
)
_SLURM_MEMORY = re.compile(r"([0-9]{1,12})([KMGT]?)(?:i?B?)", re.IGNORECASE)
_MIB_OF_UNIT: Final = MappingProxyType(
    {"": Fraction(1), "K": Fraction(1, 1024), "M": Fraction(1), "G": Fraction(1024), "T": Fraction(1024**2)}
)


def parse_quantity(text: str) -> Fraction:
    """A Kubernetes quantity in its base unit (cores, bytes, pieces): `500m`, `2`, `1Gi`, `1e3`.

    Raises ValueError for what Kubernetes would refuse too, and for negative amounts.
    """
    match = _QUANTITY.fullmatch(text)
    factor = _FACTOR_OF_SUFFIX.get(match[3] or "") if match else None
    if match is None or factor is None:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    return Fraction(match[1]) * Fraction(10) ** int(match[2] or 0) * factor


def parse_slurm_memory(text: str) -> int:
    """MiB of a memory size as SLURM writes it: `16G` is 16384 (its units are powers of 1024), no unit is MiB.

    Raises ValueError.
    """
    match = _SLURM_MEMORY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a memory size; write it as 16G or 512M")
    return ceil(int(match[1]) * _MIB_OF_UNIT[match[2].upper()])
