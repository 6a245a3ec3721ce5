"""The answer to a ping: what a virtual node has in total, and whom it keeps out."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from dte.interlink.wire import Ping, decode_ping
from dte.runtime.commands import run_command
from dte.runtime.errors import Refused, Unavailable

from .batch import BatchSystem
from .drain import DrainFile
from .parse import NodeLine
from .refusals import words_of
from .remembered import Remembered
from .settings import NodeSettings, SlurmSettings, TaintSettings

Clock = Callable[[], float]

DRAINED: Final[Mapping[str, str]] = {"key": "virtual-node.interlink/drained", "value": "true", "effect": "NoSchedule"}

_OUT_OF_USE: Final = frozenset({"down", "drain", "drng", "fail", "failg", "futr", "maint", "unk", "err"})
"""Compact node states in which no new job starts (sinfo(1), NODE STATE CODES)."""


class Capacity:
    """Answers pings from memory; the batch system, or the site's script, is asked once a minute for all callers."""

    def __init__(
        self,
        settings: SlurmSettings,
        batch: BatchSystem,
        drains: DrainFile,
        *,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
    ) -> None:
        self._settings = settings
        self._batch = batch
        self._drains = drains
        self._wall_clock = wall_clock
        self._lines = Remembered(self._node_lines, clock=clock)
        self._script = Remembered(self._ask_script, clock=clock)

    async def ping(self, node_name: str) -> Ping:
        """The state of a virtual node; an empty name means all that stands behind this sidecar.

        Raises Refused for a node that is not configured here, Unavailable while the batch system does not answer.
        """
        node = self._settings.nodes.get(node_name)
        if node is None and node_name and self._settings.nodes:
            nodes = ", ".join(self._settings.nodes)
            raise Refused(f"virtual node {node_name!r} is not served here; nodes are: {nodes}")
        ping = await (self._ask_slurm(node) if self._settings.resource_script_path is None else self._script.get())
        taints = list(ping.taints if ping.taints is not None else self._taints(node))
        is_drained = await self._drains.holding(node_name, now=self._wall_clock()) is not None
        if is_drained and DRAINED not in taints:
            taints.append(DRAINED)
        return replace(ping, taints=tuple(taints))

    async def close(self) -> None:
        """Give up what is being asked."""
        await self._lines.close()
        await self._script.close()

    async def _ask_slurm(self, node: NodeSettings | None) -> Ping:
        lines = _behind(await self._lines.get(), _partitions(self._settings, node))
        taints = self._taints(node)
        if not any(is_usable(line) for line in lines):
            taints = [*taints, DRAINED]
        return Ping("ok", resources(lines, self._settings), tuple(taints))

    def _taints(self, node: NodeSettings | None) -> list[Mapping[str, str]]:
        return [_wire_taint(taint) for taint in (*self._settings.taints, *(node.taints if node else ()))]

    async def _node_lines(self) -> tuple[NodeLine, ...]:
        return await self._batch.nodes(_partitions(self._settings, None))

    async def _ask_script(self) -> Ping:
        assert self._settings.resource_script_path is not None, "asked only where there is one"
        words = shlex.split(self._settings.resource_script_path)
        completed = await run_command(words, timeout_s=self._settings.poll_timeout_s)
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
