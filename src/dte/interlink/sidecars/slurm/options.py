"""A pod and the site's settings -> the arguments of sbatch. Pure; the rules: docs/interlink-slurm.md, "Options"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from dte.interlink import pods
from dte.interlink.jobs.life import grace_s, is_sidecar
from dte.interlink.quantities import parse_quantity
from dte.runtime.errors import Refused

from .flags import OWNED_FLAGS, REFUSED_FLAGS, Flag, split_flags
from .memory import MIB, parse_slurm_memory
from .settings import FlavorSettings, NodeSettings, SlurmSettings, site_flags

FLAGS_ANNOTATION: Final = "slurm-job.vk.io/flags"
FLAVOR_ANNOTATION: Final = "slurm-job.vk.io/flavor"
COMMENT_PREFIX: Final = "dte1:"
MAX_COMMENT_BYTES: Final = 1024

_EXCLUSIVE_GROUPS: Final = (frozenset({"mem", "mem-per-cpu", "mem-per-gpu"}),)
"""sbatch refuses two of one group together; the one set last stays."""
_IGNORED_RESOURCES: Final = frozenset({"ephemeral-storage"})

_NO_FLAVOR: Final = FlavorSettings()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a pod goes: the settings of its virtual node (None: nodes are not configured) and of its flavor."""

    node: NodeSettings | None
    flavor_name: str
    """Empty: no flavor."""
    flavor: FlavorSettings


@dataclass(frozen=True, slots=True)
class SbatchOptions:
    """Arguments of sbatch (without those that every job has), and what was left out of the pod's wishes."""

    arguments: tuple[str, ...]
    warnings: tuple[str, ...]


def place(settings: SlurmSettings, pod: pods.Pod) -> Placement:
    """Choose node and flavor of a pod. Raises Refused with the names there are.

    Flavor: the annotation's; else the node's or the file's default if it maps all special resources that the pod
    asks for; else the first by name that does; else the default.
    """
    node = _node_of(settings, pods.node_name(pod))
    default = (node.default_flavor if node else "") or settings.default_flavor
    name = pods.annotations(pod).get(FLAVOR_ANNOTATION, "") or _default_for(settings, node, default, pod)
    if not name:
        return Placement(node, "", _NO_FLAVOR)
    flavor = settings.flavors.get(name)
    if flavor is None:
        raise Refused(f"flavor {name!r} does not exist here; flavors are: {_list(settings.flavors)}")
    if not _reaches(flavor, node):
        assert node is not None, "every flavor reaches a node that is not configured"
        raise Refused(
            f"flavor {name!r} submits to partition {flavor.partition}, which virtual node {pods.node_name(pod)} "
            f"does not have; its partitions are: {_list(node.partitions)}"
        )
    return Placement(node, name, flavor)


def sbatch_options(settings: SlurmSettings, pod: pods.Pod, placement: Placement) -> SbatchOptions:
    """The options of a pod's job; later ones win: flavor, deadline, annotation, limits, forced. Raises Refused."""
    warnings: list[str] = []
    chosen: dict[str, Flag] = {}
    _set(chosen, _flavor_flags(settings, placement))
    _set(chosen, _deadline_flags(pod))
    _set(chosen, _user_flags(settings, pod, warnings))
    _set(chosen, _resource_flags(pod, placement, warnings))
    _set(chosen, site_flags(settings.flags_forced))
    _set(chosen, site_flags(placement.flavor.flags_forced))
    return SbatchOptions(tuple(chosen[name].argument() for name in sorted(chosen)), tuple(warnings))


def job_comment(pod: pods.Pod) -> str:
    """`dte1:<namespace>/<pod>/<service account>/<requester>`, each percent-encoded, at most 1 KiB."""
    parts = (pods.namespace(pod), pods.name(pod), pods.service_account(pod), pods.requester(pod))
    text = COMMENT_PREFIX + "/".join(quote(part, safe="") for part in parts)
    if len(text) > MAX_COMMENT_BYTES:
        text = text[:MAX_COMMENT_BYTES]
        if "%" in text[-2:]:  # never half of a %XX
            text = text[: text.rindex("%")]
    return text


def _node_of(settings: SlurmSettings, name: str) -> NodeSettings | None:
    if not settings.nodes:
        return None
    node = settings.nodes.get(name)
    if node is None:
        raise Refused(f"virtual node {name!r} is not served here; nodes are: {_list(settings.nodes)}")
    return node


def _reaches(flavor: FlavorSettings, node: NodeSettings | None) -> bool:
    return node is None or not flavor.partition or set(flavor.partition.split(",")) <= set(node.partitions)


def _default_for(settings: SlurmSettings, node: NodeSettings | None, default: str, pod: pods.Pod) -> str:
    wanted = set(_special_resources(pod))
    if wanted <= set(settings.flavors[default].gres_map if default else ()):
        return default
    fitting = (n for n, f in sorted(settings.flavors.items()) if wanted <= set(f.gres_map) and _reaches(f, node))
    return next(fitting, default)


def _flavor_flags(settings: SlurmSettings, placement: Placement) -> list[Flag]:
    flavor = placement.flavor
    partitions = flavor.partition or ",".join(placement.node.partitions if placement.node else ())
    memory = f"{parse_slurm_memory(flavor.memory_default)}M" if flavor.memory_default else ""
    values = {
        "partition": partitions,
        "account": flavor.account or settings.slurm_account,
        "qos": flavor.qos,
        "reservation": flavor.reservation,
        "constraint": flavor.constraint,
        "licenses": flavor.licenses,
        "time": flavor.time,
        "cpus-per-task": str(flavor.cpu_default or ""),
        "mem": memory,
    }
    return [*(Flag(name, value) for name, value in values.items() if value), *site_flags(flavor.slurm_flags)]


def _deadline_flags(pod: pods.Pod) -> list[Flag]:
    """The supervisor ends the pod in time; Slurm's limit stands behind it and leaves it the grace period."""
    seconds = pods.spec(pod).get("activeDeadlineSeconds")
    if not isinstance(seconds, int) or seconds <= 0:
        return []
    return [Flag("time", str(ceil((seconds + grace_s(pod)) / 60)))]  # a bare number is minutes


def _user_flags(settings: SlurmSettings, pod: pods.Pod, warnings: list[str]) -> list[Flag]:
    kept: list[Flag] = []
    for flag in split_flags(pods.annotations(pod).get(FLAGS_ANNOTATION, ""), source=f"annotation {FLAGS_ANNOTATION}"):
        if flag.name in REFUSED_FLAGS:
            raise Refused(f"annotation {FLAGS_ANNOTATION}: --{flag.name} cannot be used: {REFUSED_FLAGS[flag.name]}")
        if flag.name in OWNED_FLAGS:
            warnings.append(f"annotation {FLAGS_ANNOTATION}: --{flag.name} is set by the site; yours was left out")
        elif settings.flags_allowed is not None and flag.name not in settings.flags_allowed:
            allowed = _list(settings.flags_allowed)
            raise Refused(f"annotation {FLAGS_ANNOTATION}: --{flag.name} is not allowed here; allowed are: {allowed}")
        else:
            kept.append(flag)
    return kept


def _resource_flags(pod: pods.Pod, placement: Placement, warnings: list[str]) -> list[Flag]:
    flags: list[Flag] = []
    if cpus := _needed(pod, "cpu"):
        flags.append(Flag("cpus-per-task", str(ceil(cpus))))
    if memory := _needed(pod, "memory"):
        flags.append(Flag("mem", f"{max(ceil(memory / MIB), 1)}M"))
    gres = []
    for resource in _special_resources(pod):
        slurm_name = placement.flavor.gres_map.get(resource)
        if slurm_name is None:
            raise Refused(
                f"resource {resource} has no counterpart in flavor {placement.flavor_name or 'none'}; "
                "the site maps it with GresMap, or choose another flavor"
            )
        gres.append(f"{slurm_name}:{ceil(_needed(pod, resource))}")
    if gres:
        flags.append(Flag("gres", ",".join(gres)))
    if _needed(pod, "ephemeral-storage"):
        warnings.append("resource ephemeral-storage is not limited by the batch system")
    return flags


def _special_resources(pod: pods.Pod) -> list[str]:
    names = {name for container in _all_containers(pod) for name in _amounts(container)}
    return sorted(n for n in names - {"cpu", "memory"} - _IGNORED_RESOURCES if _needed(pod, n))


def _needed(pod: pods.Pod, resource: str) -> Decimal:
    """The most that is needed at a time: init containers run one by one before the others, sidecars beside all.

    Source: "Resource sharing within containers" in Kubernetes' page on sidecar containers.
    """
    sidecars, most = Decimal(0), Decimal(0)
    for container in pods.init_containers(pod):
        most = max(most, sidecars + _amount(container, resource))
        if is_sidecar(container, "init"):
            sidecars += _amount(container, resource)
    return max(most, sidecars + sum((_amount(c, resource) for c in pods.containers(pod)), Decimal(0)))


def _amount(container: pods.Container, resource: str) -> Decimal:
    text = _amounts(container).get(resource, "0")
    try:
        return parse_quantity(str(text))
    except ValueError as e:
        raise Refused(f"container {container.get('name')}: resources.{resource}: {e}") from e


def _amounts(container: pods.Container) -> Mapping[str, Any]:
    """Limits, and requests where there is no limit: Slurm knows one number for both."""
    resources = container.get("resources") or {}
    return MappingProxyType({**(resources.get("requests") or {}), **(resources.get("limits") or {})})


def _all_containers(pod: pods.Pod) -> tuple[pods.Container, ...]:
    return (*pods.init_containers(pod), *pods.containers(pod))


def _set(chosen: dict[str, Flag], flags: Iterable[Flag]) -> None:
    for flag in flags:
        for group in _EXCLUSIVE_GROUPS:
            if flag.name in group:
                for other in group:
                    chosen.pop(other, None)
        chosen[flag.name] = flag


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
