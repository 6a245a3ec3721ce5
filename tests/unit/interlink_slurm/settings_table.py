"""The tables of keys in docs/interlink-slurm.md, made from the settings.

`python -m tests.unit.interlink_slurm.settings_table` rewrites the page; a test fails while the two differ.
"""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dte.interlink.sidecars.slurm import settings
from dte.runtime.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "interlink-slurm.md"
MODELS = (
    settings.SlurmSettings,
    settings.FlavorSettings,
    settings.NodeSettings,
    settings.TaintSettings,
    settings.AdoptedSettings,
)
KINDS = {
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "true or false",
    "Path": "path",
    "Command": "command",
    "tuple[str, ...]": "list of texts",
    "tuple[SiteFlag, ...]": "list of options",
    "tuple[HostPrefix, ...]": "list of paths",
    "tuple[TaintSettings, ...]": "list, below",
    "dict[str, str]": "mapping",
    "dict[str, FlavorSettings]": "mapping, below",
    "dict[str, NodeSettings]": "mapping, below",
    "AdoptedSettings": "mapping, below",
    "AdminSettings": "`Listen`: address",
}


def docstrings(model: type[Settings]) -> dict[str, tuple[str, str]]:
    """Field -> (annotation as written, the text below it)."""
    body = ast.parse(inspect.getsource(model)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            found[field.target.id] = (ast.unparse(field.annotation), str(after.value.value) if is_text else "")
    return found


def kind_of(annotation: str, field: FieldInfo) -> str:
    inner = re.sub(r"^Annotated\[(\w+),.*\]", r"\1", annotation.removesuffix(" | None"))
    if inner.startswith("Literal"):
        return ", ".join(f"`{word}`" for word in re.findall(r"'(\w+)'", inner))
    limits = {name: getattr(item, name) for item in field.metadata for name in ("ge", "le") if hasattr(item, name)}
    bounds = f", {limits['ge']:g} to {limits['le']:.10g}" if len(limits) == 2 else ""
    return KINDS[inner] + bounds


def default_of(field: FieldInfo) -> str:
    default: Any = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None or default in ("", (), {}):
        return "-"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, Settings):
        return f"`{default.listen}`" if hasattr(default, "listen") else "-"
    return f"{default:.10g}" if isinstance(default, (int, float)) else f"`{default}`"


def table(model: type[Settings]) -> str:
    """The table of one model, as Markdown."""
    texts = docstrings(model)
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        annotation, text = texts[name]
        meaning = " ".join(text.split()).replace("|", "\\|")
        assert meaning, f"{model.__name__}.{name} has no docstring"
        rows.append(f"| `{field.alias}` | {kind_of(annotation, field)} | {default_of(field)} | {meaning} |")
    return "\n".join(rows)


def page_with_tables(page: str) -> str:
    """The page with each table replaced by that of its model."""
    for model in MODELS:
        begin, end = f"<!-- keys of {model.__name__} -->", "<!-- end of keys -->"
        start = page.index(begin) + len(begin)
        page = f"{page[:start]}\n\n{table(model)}\n\n{page[page.index(end, start) :]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text()))
