"""What the sidecars have told of their pods, and which of them tell at the moment. No I/O: one event loop."""

import asyncio
import contextlib
import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from dte.interlink import wire
from dte.interlink.watch.hub import WatchHub
from dte.interlink.watch.lines import PodLine


class Source(enum.Enum):
    """How the API learns the states of an account's pods."""

    STARTING = enum.auto()
    """Nothing was heard yet: neither a stream nor that there is none."""
    LIVE = enum.auto()
    """The sidecar's stream has told everything, and tells each change."""
    SILENT = enum.auto()
    """The stream is cut. What it told last stays as it is; a pod that is missing may yet be known."""
    ASKED = enum.auto()
    """A plugin without a stream: each status is asked for."""


class SiteStates:
    """The newest state of every pod of the site, by the account whose sidecar told it."""

    def __init__(self, accounts: Iterable[str]) -> None:
        self.hub = WatchHub()
        self._sources = dict.fromkeys(accounts, Source.STARTING)
        self._reasons: dict[str, str] = {}
        self._heard = {account: asyncio.Event() for account in self._sources}
        self._account_of: dict[str, str] = {}
        self._encoded: dict[str, bytes] = {}
        self.encoded: Mapping[str, bytes] = MappingProxyType(self._encoded)
        """States as they stand in an answer to status, by pod UID."""
        self._unseen: dict[str, set[str]] = {}
        self._when_asked: list[Callable[[], None]] = []
        self._set_complete()

    def source(self, account: str) -> Source:
        """SILENT for an account that is no longer configured."""
        return self._sources.get(account, Source.SILENT)

    def is_live(self, account: str) -> bool:
        return self.source(account) is Source.LIVE

    def silence(self, account: str) -> str:
        """Why an account is silent, for the owner of a pod."""
        return self._reasons.get(account, f"the sidecar of account {account} has not told its pods yet; try again")

    @property
    def asked_accounts(self) -> Sequence[str]:
        """Those whose plugins have no stream: the API has none either then."""
        return [account for account, source in self._sources.items() if source is Source.ASKED]

    def when_asked(self, callback: Callable[[], None]) -> None:
        """Call back when a plugin turns out to have no stream: whoever reads ours must know."""
        self._when_asked.append(callback)

    async def heard(self, accounts: Iterable[str], *, patience_s: float) -> None:
        """Return when each account has told its pods, or that it cannot; after `patience_s` in any case."""
        waited_for = [event for account in accounts if (event := self._heard.get(account)) and not event.is_set()]
        if not waited_for:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                for event in waited_for:
                    await event.wait()

    def account_of(self, pod_uid: str) -> str | None:
        """Whose sidecar tells of the pod."""
        return self._account_of.get(pod_uid)

    def begin(self, account: str) -> None:
        """A stream begins: what it does not name until it is synced is no longer there."""
        self._unseen[account] = {uid for uid, of in self._account_of.items() if of == account}

    def tell(self, account: str, line: PodLine) -> None:
        """A pod's state; the caller has checked that it is this account's.

        A line without containers says nothing of them: the last state stays, which upstream's virtual kubelet
        would otherwise read as success.
        """
        self._unseen.get(account, set()).discard(line.uid)
        self._account_of[line.uid] = account
        status, known = line.status, self.hub.get(line.uid)
        if status.containers or status.init_containers:
            self._encoded[line.uid] = wire.encode_status(status)
        elif known is not None:
            status = known.status
        elif not line.deleted:
            return
        self.hub.publish(status, deleted=line.deleted)

    def forget(self, pod_uid: str) -> None:
        """Its record at the site is gone."""
        self._account_of.pop(pod_uid, None)
        self._encoded.pop(pod_uid, None)
        self.hub.forget(pod_uid)

    def synced(self, account: str) -> None:
        """The stream has told everything."""
        for uid in self._unseen.pop(account, ()):
            self.forget(uid)
        self._turn(account, Source.LIVE)

    def lost(self, account: str, reason: str) -> None:
        """The stream broke off, or could not be had."""
        self._unseen.pop(account, None)
        self._reasons[account] = reason
        self._turn(account, Source.SILENT)

    def has_no_stream(self, account: str) -> None:
        self._turn(account, Source.ASKED)
        for callback in self._when_asked:
            callback()

    def _turn(self, account: str, source: Source) -> None:
        self._sources[account] = source
        self._heard[account].set()
        self._set_complete()

    def _set_complete(self) -> None:
        self.hub.set_complete(all(source is Source.LIVE for source in self._sources.values()))
