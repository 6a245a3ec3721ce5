"""Forms that a browser sends: read whole, bounded, as plain text fields."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from dte.runtime.errors import Malformed

MAX_FIELDS = 50
MEDIA_TYPE = "application/x-www-form-urlencoded"


async def form_of(request: Request) -> dict[str, str]:
    """Fields of a form; of a repeated one the last. Raises Malformed."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Malformed(f"send a form ({MEDIA_TYPE})")
    try:
        text = (await request.body()).decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError as error:
        raise Malformed("the form cannot be read") from error
