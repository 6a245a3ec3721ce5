"""The answer to a ping: what a virtual node has in total, and whom it keeps out."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from dte.interlink.wire import Ping, decode_ping
from dte.runtime.commands import run_command
from dte.runtime.errors import BadOutput, Refused, Unavailable

from .batch import BatchSystem
from .parse import NodeLine
from .refusals import words_of
from .settings import NodeSettings, SlurmSettings, TaintSettings

KEEP_S: Final = 60.0
"""Totals change when somebody changes the cluster: one sinfo a minute is plenty."""
DRAINED_TAINT: Final = TaintSettings(Key="virtual-node.interlink/drained", Value="true", Effect="NoSchedule")

_OUT_OF_USE: Final = frozenset({"down", "drain", "drng", "fail", "failg", "futr", "maint", "unk", "err"})
"""Compact node states in which no new job starts (sinfo(1), NODE STATE CODES)."""


class Capacity:
    """Answers pings; the batch system is asked once a minute for all virtual nodes."""

    def __init__(
        self, settings: SlurmSettings, batch: BatchSystem, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._batch = batch
        self._clock = clock
        self._lines: tuple[NodeLine, ...] = ()
        self._seen_at: float | None = None
        self._asking = asyncio.Lock()

    async def ping(self, node_name: str) -> Ping:
        """The state of a virtual node; an empty name means all that stands behind this sidecar.

        Raises Refused for a node that is not configured here, Unavailable while the batch system does not answer.
        """
        settings = self._settings
        node = settings.nodes.get(node_name)
        if node is None and node_name and settings.nodes:
            raise Refused(f"virtual node {node_name!r} is not served here; nodes are: {', '.join(settings.nodes)}")
        if settings.resource_script_path is not None:
            return await self._ask_script(settings.resource_script_path)
        lines = _behind(await self._node_lines(), _partitions(settings, node))
        taints = [*settings.taints, *(node.taints if node else ())]
        if not any(is_usable(line) for line in lines):
            taints.append(DRAINED_TAINT)
        return Ping("ok", resources(lines, settings), tuple(_wire_taint(taint) for taint in taints))

    async def _node_lines(self) -> tuple[NodeLine, ...]:
        async with self._asking:
            if self._seen_at is None or self._clock() - self._seen_at >= KEEP_S:
                try:
                    self._lines = await self._batch.nodes(_partitions(self._settings, None))
                except BadOutput as e:
                    raise Unavailable(str(e)) from e
                self._seen_at = self._clock()
        return self._lines

    async def _ask_script(self, command: str) -> Ping:
        completed = await run_command(shlex.split(command), timeout_s=self._settings.poll_timeout_s)
        if completed.status != 0:
            raise Unavailable(f"ResourceScriptPath failed: {words_of(completed.stderr, completed.status)}")
        return decode_ping(completed.stdout)


def resources(lines: Sequence[NodeLine], settings: SlurmSettings) -> Mapping[str, Any]:
    """Totals over the nodes, each counted once however many partitions it is in. Totals, not what is idle:

    the scheduler subtracts running pods itself.
    """
    nodes = {line.node: line for line in lines}.values()
    mapped = {resource: name for flavor in settings.flavors.values() for resource, name in flavor.gres_map.items()}
    accelerators = [
        {"resourceType": resource, "available": str(_gres_total(nodes, name))}
        for resource, name in sorted(mapped.items())
    ]
    totals: dict[str, Any] = {
        "cpu": str(sum(line.cpus for line in nodes)),
        "memory": f"{sum(line.memory_mib for line in nodes)}Mi",
        "pods": str(settings.max_jobs),
    }
    return totals | ({"accelerators": accelerators} if accelerators else {})


def is_usable(line: NodeLine) -> bool:
    """Whether new jobs may start on the node through this partition; `*` marks one that does not respond."""
    state = line.state.rstrip("~#!%$@^-+")
    return line.partition_is_up and not state.endswith("*") and state not in _OUT_OF_USE


def _partitions(settings: SlurmSettings, node: NodeSettings | None) -> tuple[str, ...]:
    """Of one virtual node, or of all (empty: those of the whole cluster)."""
    if node is not None:
        return node.partitions
    return tuple(sorted({name for item in settings.nodes.values() for name in item.partitions}))


def _behind(lines: Iterable[NodeLine], partitions: Sequence[str]) -> list[NodeLine]:
    return [line for line in lines if not partitions or line.partition in partitions]


def _gres_total(nodes: Iterable[NodeLine], name: str) -> int:
    """`gpu` counts gpus of every type, `gpu:h100` of one."""
    return sum(count for line in nodes for gres, count in line.gres if gres == name or gres.startswith(f"{name}:"))


def _wire_taint(taint: TaintSettings) -> Mapping[str, str]:
    return {"key": taint.key, "value": taint.value, "effect": taint.effect}
