"""Rows of figures and how they are printed."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what was measured, ours, the budget, what upstream was measured at, and how it was taken."""

    what: str
    ours: str
    budget: str
    upstream: str
    method: str


HEAD = Row("what", "ours", "budget", "upstream", "method")


def table(rows: Sequence[Row]) -> str:
    """Aligned columns; a hyphen stands for no figure."""
    cells = [astuple(row) for row in (HEAD, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
