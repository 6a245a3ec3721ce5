"""ALISE's life: opens database and providers, serves, closes them."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from dte.alise import sessions
from dte.alise.application import served_app
from dte.alise.core import Core
from dte.alise.opened import opened_core
from dte.alise.settings import AliseSettings
from dte.runtime.errors import Unavailable
from dte.runtime.service import Daemon, Listener, serve
from dte.runtime.settings import TlsSettings
from dte.runtime.tls import RenewableContext, reload_certificates, server_context, watch_certificates
from dte.runtime.web import UvicornServer

log = structlog.get_logger()

FORGET_INTERVAL_S = 300.0


async def serve_alise(settings: AliseSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError for what the operator must mend."""
    tls = settings.server.tls()
    context = server_context(tls) if tls else None
    async with opened_core(settings) as core:
        server = UvicornServer(served_app(core))
        await serve(
            Daemon(
                name="alise",
                listeners=[Listener(server, settings.server.address(), context)],
                admin=settings.server.admin(),
                background=_loops(core, context, tls),
                reload=lambda: _reload(context, tls),
                stop_timeout_s=settings.server.stop_timeout_s,
            )
        )


def _loops(
    core: Core, context: RenewableContext | None, tls: TlsSettings | None
) -> dict[str, Callable[[], Awaitable[None]]]:
    loops: dict[str, Callable[[], Awaitable[None]]] = {
        "write key uses": core.write_key_uses_forever,
        "forget expired sessions": lambda: _forget_expired_forever(core),
    }
    if context is not None and tls is not None:
        loops["watch certificates"] = lambda: watch_certificates(context, tls)
    return loops


async def _forget_expired_forever(core: Core) -> None:
    while True:
        try:
            count = await core.write(lambda connection: sessions.forget_expired(connection, core.now))
        except Unavailable as error:
            log.warning("sessions_not_cleaned", error=str(error), retry_in_s=FORGET_INTERVAL_S)
        else:
            log.debug("sessions_forgotten", count=count)
        await asyncio.sleep(FORGET_INTERVAL_S)


def _reload(context: RenewableContext | None, tls: TlsSettings | None) -> None:
    """SIGHUP: certificates at once; any other change of the file needs a restart, which loses no request."""
    if context is not None and tls is not None:
        reload_certificates(context, tls)
