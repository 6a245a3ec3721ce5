"""Answers to a status request: from what the sidecars tell, or by asking a plugin that tells nothing by itself."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dte.interlink import pods, wire
from dte.interlink.api.caller import Caller
from dte.interlink.api.ownership import OwnershipTable
from dte.interlink.api.plugin_client import PluginAnswer, PluginClient
from dte.interlink.api.states import SiteStates, Source
from dte.runtime.errors import Malformed, Unavailable

ASK_TIMEOUT_S = 15.0
"""A plugin that takes longer hangs."""
ASKED_AT_ONCE = 8
"""Requests to one plugin that has to be asked pod by pod."""
START_PATIENCE_S = 2.0
"""After a start, how long a caller waits for the sidecars to tell their pods, or that they cannot."""
MAX_QUOTED = 500
"""Characters of a plugin's error that go into ours."""

Group = Mapping[str, pods.Pod]
"""Pods of one account, by UID."""


@dataclass(frozen=True, slots=True)
class Statuses:
    """States as they stand in the answer, in the order of the request.

    `silent` names accounts whose states are old, or missing, because their sidecar tells nothing now.
    """

    encoded: Sequence[bytes]
    silent: Sequence[str]


class StatusDesk:
    """Who asks gets the states of its own pods, and of nobody else's."""

    def __init__(self, table: OwnershipTable, plugins: Mapping[str, PluginClient], states: SiteStates) -> None:
        self._table = table
        self._plugins = plugins
        self._states = states

    async def answer(self, caller: Caller, uids: Iterable[str], body: bytes) -> Statuses:
        """States of the pods `uids`, which `body` holds whole for plugins that must be asked.

        A pod that nobody knows, or that is another's, is left out. Raises Unavailable when all accounts asked
        for are silent and nothing is known of any pod.
        """
        own = self._table.owned(caller.creator, caller.owner)
        rows = {uid: row for uid in uids if (row := own.get(uid)) is not None}
        accounts = {row.account for row in rows.values()}
        await self._states.heard(accounts, patience_s=START_PATIENCE_S)
        asked = {name for name in accounts if self._states.source(name) is Source.ASKED}
        silent = {name: self._silence(name) for name in accounts - asked if not self._states.is_live(name)}
        told = self._states.encoded
        found = {uid: told[uid] for uid, row in rows.items() if uid in told and row.account not in asked}
        if asked:
            states, faults = await self._ask_all(caller, asked, wire.decode_pods(body))
            found |= states
            silent |= faults
        if accounts and not found and len(silent) == len(accounts):
            raise Unavailable("; ".join(silent[name] for name in sorted(silent)))
        return Statuses([found[uid] for uid in rows if uid in found], sorted(silent))

    async def _ask_all(
        self, caller: Caller, accounts: Iterable[str], asked: Sequence[pods.Pod]
    ) -> tuple[dict[str, bytes], dict[str, str]]:
        """What the plugins of those accounts say of the caller's pods, and which of them say nothing, and why."""
        groups: dict[str, dict[str, pods.Pod]] = {name: {} for name in accounts}
        own = self._table.owned(caller.creator, caller.owner)
        for pod in asked:
            uid = str(pods.metadata(pod).get("uid"))
            row = own.get(uid)
            if row is not None and row.account in groups:
                groups[row.account][uid] = pod
        answers = await asyncio.gather(*(self._ask(caller, self._plugins[name], groups[name]) for name in groups))
        states: dict[str, bytes] = {}
        faults: dict[str, str] = {}
        for name, answer in zip(groups, answers, strict=True):
            if isinstance(answer, Unavailable):
                faults[name] = str(answer)
            else:
                states |= answer
        return states, faults

    def _silence(self, account: str) -> str:
        if account not in self._plugins:
            return no_account(account)
        return self._states.silence(account)

    async def _ask(self, caller: Caller, plugin: PluginClient, group: Group) -> dict[str, bytes] | Unavailable:
        """What a plugin says of those pods; Unavailable when it says nothing usable of any.

        One that fails for the whole list is asked pod by pod, as upstream's virtual kubelet does: some plugins
        fail when they do not know one of them.
        """
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                whole = await self._ask_once(caller, plugin, group)
                if not isinstance(whole, _Failed) or len(group) == 1:
                    return whole
                return await self._ask_singly(caller, plugin, group, whole)
        except TimeoutError:
            return Unavailable(f"the sidecar of account {plugin.account.name} answers too slowly; try again")
        except Unavailable as error:
            return error

    async def _ask_singly(
        self, caller: Caller, plugin: PluginClient, group: Group, fault: "_Failed"
    ) -> dict[str, bytes] | Unavailable:
        places = asyncio.Semaphore(ASKED_AT_ONCE)

        async def single(uid: str, pod: pods.Pod) -> dict[str, bytes] | _Failed:
            async with places:
                try:
                    return await self._ask_once(caller, plugin, {uid: pod})
                except Unavailable as error:
                    return _Failed(str(error))

        answers = await asyncio.gather(*(single(uid, pod) for uid, pod in group.items()))
        found = {uid: state for answer in answers if not isinstance(answer, _Failed) for uid, state in answer.items()}
        return found or fault

    async def _ask_once(self, caller: Caller, plugin: PluginClient, group: Group) -> "dict[str, bytes] | _Failed":
        answer = await plugin.call(
            "GET",
            "/status",
            body=wire.encode_json(list(group.values())),
            headers=caller.headers(),
            timeout_s=ASK_TIMEOUT_S,
        )
        return _usable(plugin, answer, group)


class _Failed(Unavailable):
    """The plugin is there, and has no states in its answer."""


def _usable(plugin: PluginClient, answer: PluginAnswer, group: Group) -> dict[str, bytes] | _Failed:
    """The states in a plugin's answer, of pods that it was asked for; a bad one does not spoil the others."""
    who = f"the sidecar of account {plugin.account.name}"
    if answer.status != 200:
        return _Failed(f"{who} answered {answer.status}: {answer.body.decode(errors='replace').strip()[:MAX_QUOTED]}")
    try:
        items = wire.decode_status_items(answer.body)
    except Malformed as error:
        plugin.misunderstood(error)
        return _Failed(f"{who} gave a status that cannot be read: {error}")
    found = {}
    for item in items:
        try:
            state = wire.status_from(item)
        except Malformed as error:
            plugin.misunderstood(error)
            continue
        # No containers would read as "all have ended" to a virtual kubelet; plugins send it of what they do not know.
        if state.uid in group and (state.containers or state.init_containers):
            found[state.uid] = wire.encode_status(state)
    return found


def no_account(account: str) -> str:
    """What the owner of a pod hears whose account the configuration no longer has."""
    return f"account {account} of this pod is no longer configured at the site; its administrators can put it back"
