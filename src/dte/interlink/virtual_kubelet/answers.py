"""Which answers of an interLink API mean "try again" and which are final for the pod; and the site's own words.

The rule is the one of docs/virtual-kubelet.md, "Again or final": what an operator must mend fails no pod.
"""

import html
import re
from collections.abc import Mapping

from dte.interlink.virtual_kubelet.ports import SiteUnavailable
from dte.runtime.errors import Conflict, DteError, Malformed, NotFound, Refused

MAX_WORDS = 4096
"""Characters of an error text that reach a pod's status."""

_FINAL: Mapping[int, type[Refused]] = {400: Malformed, 409: Conflict, 413: Refused, 422: Refused}
_FINAL_WITH_TEXT = frozenset((500, 504))
"""Upstream's plugins say "final" with these and a text; an empty body means that the plugin was not reached."""

_WRAPPED = re.compile(r"HTTP InterLink session .*?:\s+call exit status: \d+\. Body: (.*)", re.DOTALL)


def error_of(status: int, body: bytes, *, what: str, retry_after: str | None = None) -> DteError:
    """The error for an answer other than 2xx. `what` names the request for the log and the event."""
    words = site_words(body)
    if status in _FINAL:
        return _FINAL[status](words or f"the site refused {what} with HTTP {status} and no reason")
    if status in _FINAL_WITH_TEXT and words:
        return Refused(words)
    if status == 404:
        # On create this is a wrong address; on logs the pod or container is not known.
        return NotFound(words or f"the interLink API does not know {what} (HTTP 404)")
    text = f"{what}: the site answered HTTP {status}" + (f": {words}" if words else "")
    return SiteUnavailable(text, retry_after_s=_seconds(retry_after))


def site_words(body: bytes) -> str:
    """The text of an error, out of the wrapping that upstream's API puts around a plugin's words."""
    text = body[: 4 * MAX_WORDS].decode(errors="replace").strip()
    if match := _WRAPPED.search(text):
        text = html.unescape(match[1]).strip()
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)[:MAX_WORDS]


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is not used by interLink."""
    return float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
