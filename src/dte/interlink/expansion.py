"""$(NAME) in commands, arguments and environment values, as Kubernetes expands it. No I/O here.

Source: EnvVar.value and Container.command of the Kubernetes API reference.
"""

import re
from collections.abc import Mapping, Sequence

_REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with each `$(NAME)` replaced; an unknown name stays as written, `$$` is a literal `$`.

    One pass: what a value brings in is not expanded again.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(replacement, text)


def unknown_names(text: str, variables: Mapping[str, str]) -> Sequence[str]:
    """Names that `text` refers to and `variables` lacks."""
    names = [match[1] for match in _REFERENCE.finditer(text) if match[0] != "$$"]
    return [name for name in names if name not in variables]
