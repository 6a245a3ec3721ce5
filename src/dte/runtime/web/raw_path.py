"""Routes that see a path as it was sent: split at `/` before anything is decoded."""

from dte.runtime.web.shell import AsgiApp, Receive, Scope, Send


def with_raw_path(app: AsgiApp, prefix: str) -> AsgiApp:
    """Below `prefix`, routes get each segment still percent-encoded, so that `%2F` may stand in one.

    The raw path is ASCII: the server refuses anything else.
    """

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        raw = (scope.get("raw_path") or b"").decode("latin-1")
        if raw.startswith(prefix):
            scope["path"] = raw  # in place: the shell reads the route from this mapping
        await app(scope, receive, send)

    return routed
