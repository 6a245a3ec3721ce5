"""What every HTTP service says of a request, whatever serves it: its id, its figures, the status of an error."""

import uuid

from prometheus_client import Counter, Histogram

from dte.runtime.errors import BadOutput, Conflict, Malformed, NotFound, Refused, Unavailable

REQUESTS = Counter("dte_http_requests_total", "Answered requests", ["route", "method", "status"])
SECONDS = Histogram("dte_http_request_seconds", "Time to the end of the answer", ["route"])

MAX_REQUEST_ID_LENGTH = 200
RETRY_AFTER_S = 5
STATUS_OF_ERROR: tuple[tuple[type[Exception], int], ...] = (
    (Malformed, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 422),
    (BadOutput, 502),
    (Unavailable, 503),
)
"""The first class that fits decides."""


def request_id_from(header: str) -> str:
    """The caller's id of a request when it can stand in a log, else one of ours."""
    usable = header.isprintable() and 0 < len(header) <= MAX_REQUEST_ID_LENGTH
    return header if usable else f"Request-{uuid.uuid4()}"


def status_of(error: Refused | BadOutput | Unavailable) -> int:
    return next(code for kind, code in STATUS_OF_ERROR if isinstance(error, kind))


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """`route` is a pattern, so that there is one series for each route and not for each path."""
    REQUESTS.labels(route, method, status).inc()
    SECONDS.labels(route).observe(seconds)
