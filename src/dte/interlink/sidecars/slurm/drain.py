"""The site's drain file: who may submit nothing new for now, why and until when. Read here, never written.

`{"drains": [{"reason": "new kernel", "until": "2026-03-01T06:00:00Z", "node": "vega-gpu", "account": "twin01"}]}`;
`until`, `node` and `account` may be missing: until the file changes, for all nodes, for all accounts of the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog

from dte.runtime.errors import BadOutput, Unavailable
from dte.runtime.files import FilePool, read_regular

log = structlog.get_logger()

MAX_DRAIN_BYTES: Final = 1 << 16
RETRY_AFTER_S: Final = 60


class Drain(msgspec.Struct, frozen=True):
    """One entry."""

    reason: str
    until: datetime | None = None
    """Aware. None: until the entry is removed."""
    node: str = ""
    """Virtual node; empty: all."""
    account: str = ""
    """Local account; empty: all."""

    def holds(self, now: datetime, *, node: str, account: str) -> bool:
        """Whether it holds now; an empty `node` asks for all nodes behind a sidecar together."""
        is_over = self.until is not None and now >= self.until
        return not is_over and self.node in {"", node} and self.account in {"", account}

    def text(self) -> str:
        """For the person whose pod waits."""
        until = "" if self.until is None else f" until {self.until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"the site takes no new jobs{until}: {self.reason}"


class _File(msgspec.Struct):
    drains: tuple[Drain, ...]


class DrainFile:
    """The file, read whenever somebody asks: it is small, local and rarely there."""

    def __init__(self, path: Path, account: str, pool: FilePool) -> None:
        self._path = path
        self._account = account
        self._pool = pool
        self._last_error = ""

    async def holding(self, node: str, *, now: float) -> Drain | None:
        """The entry that keeps new jobs of a virtual node out at `now` (Unix seconds); None when there is none.

        A file that cannot be read counts as an entry: somebody meant to drain.
        """
        moment = datetime.fromtimestamp(now, UTC)
        drains = await self._read()
        return next((item for item in drains if item.holds(moment, node=node, account=self._account)), None)

    async def require_open(self, node: str, *, now: float) -> None:
        """Raise Unavailable with the reason while the node is drained."""
        drain = await self.holding(node, now=now)
        if drain is not None:
            raise Unavailable(drain.text(), retry_after_s=RETRY_AFTER_S)

    async def _read(self) -> Sequence[Drain]:
        try:
            drains = parse_drains(await self._pool.run(read_regular, self._path, MAX_DRAIN_BYTES))
        except FileNotFoundError:
            drains = ()
        except (OSError, BadOutput, Unavailable) as e:
            if str(e) != self._last_error:
                log.error("drain_file_unreadable", path=str(self._path), error=str(e), effect="no new jobs")
            self._last_error = str(e)
            return (Drain(f"{self._path} cannot be read: {e}"),)
        self._last_error = ""
        return drains


def parse_drains(data: bytes) -> tuple[Drain, ...]:
    """The entries of a drain file. Raises BadOutput, also for a time without an offset: whose clock would it be?"""
    try:
        drains = msgspec.json.decode(data, type=_File).drains
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise BadOutput(f"not a drain file: {e}") from e
    if any(drain.until is not None and drain.until.tzinfo is None for drain in drains):
        raise BadOutput("not a drain file: until needs an offset, as in 2026-03-01T06:00:00Z")
    return drains
