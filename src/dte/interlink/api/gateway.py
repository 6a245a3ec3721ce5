"""What each call does: who may, which sidecar, what it is told, and what its answer means."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import structlog

from dte.interlink import pods, wire
from dte.interlink.api.accounts import Account, choose_account
from dte.interlink.api.audit import audit_create
from dte.interlink.api.caller import Caller
from dte.interlink.api.owners import Owners
from dte.interlink.api.ownership import Ownership, OwnershipTable
from dte.interlink.api.pings import merge_pings
from dte.interlink.api.plugin_client import PluginAnswer, PluginClient, PluginStream
from dte.interlink.api.shapes import check_create, check_log_request, check_pod
from dte.interlink.api.states import SiteStates
from dte.interlink.api.statuses import START_PATIENCE_S, StatusDesk, Statuses, no_account
from dte.interlink.api.volumes import match_volumes, needed_objects
from dte.interlink.watch.hub import WatchReader
from dte.runtime.errors import Conflict, DteError, Malformed, NotFound, Refused, Unavailable

log = structlog.get_logger()

CREATE_TIMEOUT_S = 110.0
"""A sidecar answers when sbatch has, which waits for a busy controller; virtual kubelets themselves wait 120 s."""
DELETE_TIMEOUT_S = 50.0
"""Virtual kubelets wait 60 s."""
PING_TIMEOUT_S = 8.0
"""Answers are collected before a virtual kubelet gives up; one account that hangs does not make the site silent."""
LOG_START_TIMEOUT_S = 60.0
"""A slow file system may take a while to open a file."""


class PluginFault(DteError):
    """The sidecar said something that this contract does not have (HTTP 502)."""


class NoStream(DteError):
    """There is no stream of changes here, now (HTTP 501)."""


class Gateway:
    """All calls of the API. Every one is safe to repeat and to run beside any other."""

    def __init__(
        self,
        table: OwnershipTable,
        plugins: Sequence[PluginClient],
        job_config: Mapping[str, Any],
        *,
        owners: Owners,
        states: SiteStates,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`plugins` in the order of the configuration; `clock` gives Unix seconds."""
        self._table = table
        self._plugins = {plugin.account.name: plugin for plugin in plugins}
        self._job_config = job_config
        self._owners = owners
        self._states = states
        self._desk = StatusDesk(table, self._plugins, states)
        self._clock = clock

    async def create(self, caller: Caller, request: wire.CreateRequest) -> PluginAnswer:
        """Record the pod's owner, then hand it to the sidecar; a repeat goes to the same account again."""
        if request.job_script_url:
            raise Refused(
                "jobscriptURL is not supported: remove JobScriptBuilderURL from the virtual kubelet's settings"
            )
        check_create(request)
        if request.is_bare and (unsent := needed_objects(request.pod)):
            raise Refused(
                f"the pod mounts {', '.join(unsent)}, which this virtual kubelet does not send: "
                "upgrade it to interLink 0.5 or newer"
            )
        await self._owners.require_all()
        row = await self._claimed(caller, request.pod)
        plugin = self._plugin(row.account)
        answer = await plugin.call(
            "POST",
            "/create",
            body=self._plugin_create(plugin, request),
            headers=caller.headers(),
            timeout_s=CREATE_TIMEOUT_S,
        )
        if answer.status != 200:
            return answer
        created = _created(plugin, answer, row.pod_uid)
        audit_create(row, request.pod, job_id=created.job_id)
        return PluginAnswer(200, wire.encode_create_answer(created))

    async def delete(self, caller: Caller, pod: pods.Pod) -> PluginAnswer:
        """Hand a delete to the sidecar; the pod stays its owner's, whose repeat is handed on too.

        A pod that is not in the table goes to the account that its namespace maps to: its job, if there is one,
        must be cancelled, and the sidecar looks whose it is.
        """
        check_pod(pod)
        await self._owners.require_all()
        uid = pods.pod_uid(pod)
        row = self._table.find(uid)
        if row is not None and not row.is_of(caller.creator, caller.owner):
            raise _unknown(uid)
        plugin = self._plugin(row.account if row is not None else self._account_of(pod).name)
        answer = await plugin.call(
            "POST", "/delete", body=wire.encode_json(pod), headers=caller.headers(), timeout_s=DELETE_TIMEOUT_S
        )
        if answer.status in (200, 404):
            await self._table.mark_deleted(uid, int(self._clock()))
        return answer

    async def status(self, caller: Caller, body: bytes) -> Statuses:
        """States of the caller's pods."""
        uids = wire.decode_asked_uids(body)
        await self._owners.require_all()
        return await self._desk.answer(caller, uids, body)

    @contextlib.asynccontextmanager
    async def watch(self, caller: Caller) -> AsyncIterator[WatchReader]:
        """The stream of changes of the caller's pods.

        Raises NoStream while a plugin of the site has none: the caller must ask then, as we must.
        """
        await self._states.heard(self._plugins, patience_s=START_PATIENCE_S)
        await self._owners.require_all()
        if accounts := self._states.asked_accounts:
            raise NoStream(f"the plugin of account {', '.join(accounts)} tells no changes: ask for the status instead")
        with self._states.hub.reader(
            lambda line: line.uid in self._table.owned(caller.creator, caller.owner)
        ) as reader:
            yield reader

    async def ping(self, caller: Caller) -> PluginAnswer:
        """The site answers when one sidecar does. One answer goes through as it is, several are merged.

        When none is a 200 the first error counts, and silence of all is Unavailable.
        """
        answers = await asyncio.gather(*(self._ping(caller, plugin) for plugin in self._plugins.values()))
        heard = [answer for answer in answers if isinstance(answer, PluginAnswer)]
        good = [answer for answer in heard if answer.status == 200]
        if len(good) > 1:
            merged = merge_pings([wire.decode_ping(answer.body) for answer in good])
            return PluginAnswer(200, wire.encode_ping(merged))
        for answer in (*good, *heard):
            return answer
        raise Unavailable("; ".join(str(answer) for answer in answers))

    @contextlib.asynccontextmanager
    async def logs(self, caller: Caller, request: wire.LogRequest) -> AsyncIterator[PluginAnswer | PluginStream]:
        """A container's log as the sidecar sends it."""
        check_log_request(request)
        await self._owners.require_all()
        row = self._table.find(request.pod_uid)
        if row is None or not row.is_of(caller.creator, caller.owner):
            raise _unknown(request.pod_uid)
        async with self._plugin(row.account).stream(
            "GET",
            "/getLogs",
            body=wire.encode_log_request(request),
            headers=caller.headers(),
            timeout_s=LOG_START_TIMEOUT_S,
        ) as answer:
            yield answer

    async def _claimed(self, caller: Caller, pod: pods.Pod) -> Ownership:
        uid = pods.pod_uid(pod)
        row = self._table.find(uid)
        if row is None:
            account = self._account_of(pod)
            wanted = Ownership(uid, caller.creator, caller.owner, account.name, int(self._clock()))
            row = await self._table.claim(wanted)
        if not row.is_of(caller.creator, caller.owner):
            raise _unknown(uid)
        if row.deleted_at is not None:
            raise Conflict(f"pod {uid} was deleted here; a pod that Kubernetes makes anew has a new UID")
        return row

    def _plugin_create(self, plugin: PluginClient, request: wire.CreateRequest) -> bytes:
        matched = match_volumes(request)
        if matched.missing:
            log.warning("volume_objects_missing", pod_uid=pods.pod_uid(request.pod), missing=matched.missing)
        encode = wire.encode_plugin_create_list if plugin.account.list_bodies else wire.encode_plugin_create
        return encode(wire.PluginCreate(request.pod, matched.containers, self._job_config))

    def _account_of(self, pod: pods.Pod) -> Account:
        return choose_account(
            (plugin.account for plugin in self._plugins.values()),
            namespace=pods.namespace(pod),
            service_account=pods.service_account(pod),
        )

    def _plugin(self, account: str) -> PluginClient:
        if account not in self._plugins:
            raise Unavailable(no_account(account))
        return self._plugins[account]

    async def _ping(self, caller: Caller, plugin: PluginClient) -> PluginAnswer | Unavailable:
        try:
            return await plugin.call("GET", "/status", body=b"[]", headers=caller.headers(), timeout_s=PING_TIMEOUT_S)
        except Unavailable as error:
            return error


def _created(plugin: PluginClient, answer: PluginAnswer, pod_uid: str) -> wire.CreateAnswer:
    """The job of this pod; raises PluginFault when the answer is not about it."""
    try:
        created = wire.decode_create_answer(answer.body)
    except Malformed as error:
        plugin.misunderstood(error)
        raise PluginFault(f"the sidecar of account {plugin.account.name} gave no job id: {error}") from error
    if created.pod_uid != pod_uid or not created.job_id:
        fault = PluginFault(
            f"the sidecar of account {plugin.account.name} answered for pod {created.pod_uid!r} "
            f"and job {created.job_id!r}, not for pod {pod_uid}"
        )
        plugin.misunderstood(fault)
        raise fault
    return created


def _unknown(pod_uid: str) -> NotFound:
    # The same words whether it is another's or nobody's: a UID must not tell that a pod exists.
    return NotFound(f"pod {pod_uid} is not known here")
