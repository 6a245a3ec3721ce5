"""The tables of docs/pods.md, made from the table of fields.

`python -m tests.unit.jobs.fields_table` rewrites the page; a test fails while the two differ.
"""

import re
from pathlib import Path

from dte.interlink.jobs.fields import TABLES, Fields

PAGE = Path(__file__).parents[3] / "docs" / "pods.md"


def table(fields: Fields) -> str:
    """Markdown."""
    rows = [f"| `{name}` | {field.fate.value} | {field.text} |" for name, field in sorted(fields.items())]
    return "\n".join(["| field | what becomes of it | how, or what its author is told |", "|---|---|---|", *rows])


def page_with_tables(text: str) -> str:
    made = [table(fields) for fields in TABLES.values()]
    marks = re.compile(r"(<!-- fields (\d) -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)
    return marks.sub(lambda match: match[1] + made[int(match[2])] + match[3], text)


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text()))
