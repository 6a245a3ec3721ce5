"""The interLink API's life: opens its table and its sidecars, serves, closes them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import structlog
from prometheus_client import Gauge

from dte.interlink.api.accounts import Account
from dte.interlink.api.feed import SidecarFeed
from dte.interlink.api.gateway import Gateway
from dte.interlink.api.job_config import job_config
from dte.interlink.api.owners import Owners
from dte.interlink.api.ownership import ROWS_KEPT_S, OwnershipTable
from dte.interlink.api.plugin_client import PluginClient
from dte.interlink.api.routes import api_application
from dte.interlink.api.settings import ApiSettings
from dte.interlink.api.states import SiteStates
from dte.interlink.api.watchers import Watchers
from dte.runtime.errors import Unavailable
from dte.runtime.service import Daemon, Listener, serve
from dte.runtime.tls import RenewableContext, reload_certificates, server_context, watch_certificates

log = structlog.get_logger()

PODS = Gauge("dte_interlink_api_pods", "Pods in the table of owners, those deleted within a week included")
FORGET_INTERVAL_S = 3600.0


async def serve_api(settings: ApiSettings) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError for what the operator must mend."""
    context = server_context(settings.tls) if settings.tls.enabled else None
    async with _opened_table(settings) as table, _opened_plugins(settings.account_list()) as plugins:
        PODS.set_function(lambda: len(table))
        names = [plugin.account.name for plugin in plugins]
        states, owners = SiteStates(names), Owners(table, names)
        gateway = Gateway(table, plugins, job_config(settings.job_script_build_config), owners=owners, states=states)
        watchers = Watchers(settings.max_watchers)
        states.when_asked(watchers.send_away)
        app = api_application(
            gateway, watchers, max_body_bytes=settings.max_body_bytes, max_requests=settings.max_requests
        )
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            f"stream of sidecar {plugin.account.name}": SidecarFeed(plugin, states, owners).run for plugin in plugins
        }
        loops["forget pods"] = lambda: _forget_pods(table, owners, states)
        if context is not None:
            loops["watch certificates"] = lambda: watch_certificates(context, settings.tls)
        await serve(
            Daemon(
                name="interlink-api",
                listeners=[Listener(app, settings.listen_address(), context)],
                admin=settings.admin,
                background=loops,
                reload=lambda: _reload(settings, context),
                stop_timeout_s=settings.stop_timeout_s,
            )
        )


@contextlib.asynccontextmanager
async def _opened_table(settings: ApiSettings) -> AsyncIterator[OwnershipTable]:
    table = OwnershipTable(settings.state_directory)
    try:
        await table.open()
        yield table
    finally:
        await table.close()


@contextlib.asynccontextmanager
async def _opened_plugins(accounts: Sequence[Account]) -> AsyncIterator[Sequence[PluginClient]]:
    plugins = [PluginClient(account) for account in accounts]
    try:
        yield plugins
    finally:
        await asyncio.gather(*(plugin.close() for plugin in plugins))


async def _forget_pods(table: OwnershipTable, owners: Owners, states: SiteStates) -> None:
    while True:
        await asyncio.sleep(FORGET_INTERVAL_S)
        uids = owners.outdated(
            int(time.time()) - ROWS_KEPT_S,
            told=lambda uid: states.account_of(uid) is not None,
            live=states.is_live,
        )
        if not uids:
            continue
        try:
            await table.forget(uids)
        except Unavailable as error:
            log.warning("table_not_cleaned", error=str(error), retry_in_s=FORGET_INTERVAL_S)
        else:
            log.info("pods_forgotten", count=len(uids))


def _reload(settings: ApiSettings, context: RenewableContext | None) -> None:
    """SIGHUP: certificates at once; any other change of the file needs a restart, which loses no request."""
    if context is not None:
        reload_certificates(context, settings.tls)
