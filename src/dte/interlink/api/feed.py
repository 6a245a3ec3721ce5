"""One stream of changes from each sidecar, for as long as the daemon runs."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence

import structlog
from prometheus_client import Gauge

from dte.interlink.api.owners import Owners
from dte.interlink.api.plugin_client import PluginAnswer, PluginClient, PluginStream
from dte.interlink.api.states import SiteStates, Source
from dte.interlink.watch.lines import GoneLine, Line, PodLine, SyncedLine
from dte.interlink.watch.reader import read_watch
from dte.interlink.watch.stream import MEDIA_TYPE
from dte.interlink.wire import SESSION_HEADER
from dte.runtime.backoff import Backoff
from dte.runtime.errors import DteError, Malformed, Unavailable

log = structlog.get_logger()

LIVE = Gauge("dte_interlink_api_sidecar_live", "1 while the sidecar's stream of changes is complete", ["account"])

START_TIMEOUT_S = 10.0
"""A sidecar answers a watch from memory; one that takes longer hangs."""
RECONNECT = Backoff(first_s=0.2, max_s=5.0)
"""The sidecar is on this host, and a connection to a socket that nobody listens on costs nothing."""
NO_STREAM_RETRY_S = 30.0
"""How often a plugin without a stream is asked for one again: it may be replaced by a newer release."""
NO_STREAM_STATUSES = (404, 405, 501)


class SidecarFeed:
    """Brings what one sidecar tells into the states of the site, and reconnects for ever."""

    def __init__(
        self,
        plugin: PluginClient,
        states: SiteStates,
        owners: Owners,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._plugin = plugin
        self._account = plugin.account.name
        self._states = states
        self._owners = owners
        self._failures = 0

    async def run(self) -> None:
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._follow()
                wait_s = NO_STREAM_RETRY_S
            except (Unavailable, Malformed) as error:
                lived_s = asyncio.get_running_loop().time() - began
                # One that syncs and breaks off at once is no better than one that cannot be reached.
                self._failures = 1 if lived_s > RECONNECT.max_s else self._failures + 1
                wait_s = RECONNECT.delay_s(self._failures, random.random())  # noqa: S311  jitter needs no secrecy
                self._lost(error, wait_s)
            await self._sleep(wait_s)

    async def _follow(self) -> None:
        """Read one connection to its end, which raises Unavailable; returns when the plugin has no stream."""
        async with self._plugin.stream(
            "GET",
            "/watch",
            body=b"",
            headers={SESSION_HEADER: f"Watch-{uuid.uuid4()}"},
            timeout_s=START_TIMEOUT_S,
        ) as answer:
            if _has_no_stream(answer):
                return await self._ask_instead()
            if isinstance(answer, PluginAnswer):
                raise Unavailable(f"the sidecar of account {self._account} answered {answer.status} to a watch")
            self._states.begin(self._account)
            async with contextlib.aclosing(read_watch(answer.chunks())) as batches:
                async for lines in batches:
                    await self._take(lines)
        raise Unavailable(f"the sidecar of account {self._account} ended its stream of changes")

    async def _ask_instead(self) -> None:
        await self._owners.heard(self._account)
        LIVE.labels(self._account).set(0)
        if self._states.source(self._account) is not Source.ASKED:
            log.info("sidecar_without_stream", account=self._account, hint="each status is asked for")
        self._states.has_no_stream(self._account)

    async def _take(self, lines: Sequence[Line]) -> None:
        # Rows first: who may see a line is asked when it is published.
        await self._owners.learn(self._account, [line for line in lines if isinstance(line, PodLine)])
        for line in lines:
            match line:
                case PodLine():
                    self._tell(line)
                case GoneLine(uid) if self._states.account_of(uid) == self._account:
                    self._states.forget(uid)
                case SyncedLine(incomplete=False):
                    await self._synced()
        gone = [line.uid for line in lines if isinstance(line, GoneLine) and self._states.account_of(line.uid) is None]
        await self._owners.forget(self._account, gone)

    def _tell(self, line: PodLine) -> None:
        account = self._owners.account_of(line.uid)
        if account is None:
            log.debug("pod_without_creator", account=self._account, pod_uid=line.uid)
        elif account != self._account:
            self._plugin.misunderstood(Malformed(f"told of pod {line.uid}, which is of account {account}"))
        else:
            if not (line.deleted or line.status.containers or line.status.init_containers):
                self._plugin.misunderstood(Malformed(f"told of pod {line.uid} without its containers"))
            self._states.tell(self._account, line)

    async def _synced(self) -> None:
        await self._owners.heard(self._account)
        self._states.synced(self._account)
        LIVE.labels(self._account).set(1)
        log.info("sidecar_synced", account=self._account)

    def _lost(self, error: DteError, wait_s: float) -> None:
        LIVE.labels(self._account).set(0)
        if self._states.source(self._account) is not Source.SILENT:
            log.warning("sidecar_lost", account=self._account, error=str(error), retry_in_s=round(wait_s, 1))
        if isinstance(error, Malformed):
            self._plugin.misunderstood(error)
        self._states.lost(self._account, str(error))


def _has_no_stream(answer: PluginAnswer | PluginStream) -> bool:
    if isinstance(answer, PluginStream):
        return answer.media_type != MEDIA_TYPE  # a plugin that answers any path with a 200
    return answer.status in NO_STREAM_STATUSES
