"""Network checks of probes and hooks. They block, each within a time limit, and return None or why they failed.

What HTTP needs is imported when it is needed: it would be a third of what each supervisor costs at its start.
"""

import contextlib
import socket
import time
from typing import Any, Callable, Dict, Optional, Tuple

from .grpc_health import GrpcFailure, serving_status

MAX_REDIRECTS = 10
BODY_BYTES = 10 << 10  # of an answer, as much as kubelets read
SERVING = 1


def check(action: Dict[str, Any], limit_s: float) -> Optional[str]:
    """Carry out an action of kind http, tcp or grpc."""
    try:
        return CHECKS[action["kind"]](action, time.monotonic() + limit_s)
    except (OSError, ValueError) as error:
        words = "timed out after %g s" % limit_s if isinstance(error, socket.timeout) else str(error) or repr(error)
        return "%s: %s" % (shown_target(action), words)


def shown_target(action: Dict[str, Any]) -> str:
    return "%s %s:%s" % (action["kind"], action["host"], action["port"])


def left_s(until: float) -> float:
    """Seconds until then; raises socket.timeout when there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise socket.timeout()
    return seconds


def check_tcp(action: Dict[str, Any], until: float) -> Optional[str]:
    socket.create_connection((action["host"], action["port"]), left_s(until)).close()
    return None


def check_http(action: Dict[str, Any], until: float) -> Optional[str]:
    """Codes from 200 to 399 are success, for a hook any answer is.

    Redirects are followed as long as they stay on the host, as kubelets do.
    """
    scheme, host, port, path = action["scheme"].lower(), action["host"], action["port"], action["path"]
    headers = {"User-Agent": "kube-probe/1", "Accept": "*/*", **dict(action["headers"])}
    for _ in range(MAX_REDIRECTS + 1):
        status, location = get(scheme, host, port, path, headers, until)
        if action.get("any_answer"):
            return None
        if status not in (301, 302, 303, 307, 308) or not location:
            return None if 200 <= status < 400 else "HTTP status %d" % status
        from urllib.parse import urljoin, urlsplit

        target = urlsplit(urljoin("%s://%s:%d%s" % (scheme, host, port, path), location))
        if target.hostname != host or target.scheme not in ("http", "https"):
            return None
        scheme, port = target.scheme, target.port or (443 if target.scheme == "https" else 80)
        path = target.path + ("?" + target.query if target.query else "") or "/"
    return "more than %d redirects" % MAX_REDIRECTS


def get(scheme: str, host: str, port: int, path: str, headers: Dict[str, str], until: float) -> Tuple[int, str]:
    """Status and Location of the answer. Certificates are not checked: kubelets do not either."""
    import http.client

    if scheme == "https":
        import ssl

        context = ssl._create_unverified_context()  # noqa: S323 - a probe sends nothing that is secret
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=left_s(until), context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=left_s(until))
    with contextlib.closing(connection):
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read(BODY_BYTES)
        except http.client.HTTPException as error:
            raise ValueError("not an answer of HTTP: %s" % (str(error) or type(error).__name__)) from error
        return answer.status, answer.getheader("Location") or ""


def check_grpc(action: Dict[str, Any], until: float) -> Optional[str]:
    """Success is the status SERVING of grpc.health.v1.Health/Check."""
    try:
        status = serving_status(action["host"], action["port"], action["service"], lambda: left_s(until))
    except GrpcFailure as failure:
        return str(failure)
    return None if status == SERVING else "gRPC health status %s" % {0: "UNKNOWN", 2: "NOT_SERVING"}.get(status, status)


CHECKS: Dict[str, Callable[[Dict[str, Any], float], Optional[str]]] = {
    "http": check_http,
    "tcp": check_tcp,
    "grpc": check_grpc,
}
