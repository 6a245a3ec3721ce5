"""Memory sizes as Slurm writes them. Pure."""

from __future__ import annotations

import re
from typing import Final

MIB: Final = 1 << 20

_SIZE = re.compile(r"([0-9]{1,12})([KMGT]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_KIB_OF_UNIT: Final = {"": 1 << 10, "K": 1, "M": 1 << 10, "G": 1 << 20, "T": 1 << 30}


def parse_slurm_memory(text: str) -> int:
    """MiB of a memory size: `16G` is 16384 (the units are powers of 1024), no unit is MiB, a part counts as one.

    Raises ValueError.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a memory size; write it as 16G or 512M")
    kib = int(match[1]) * _KIB_OF_UNIT[match[2].upper()]
    return -(-kib // 1024)
