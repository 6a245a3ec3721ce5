"""Which taints a virtual node carries: ours, the site's, and those of others, which are left alone. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from dte.interlink.virtual_kubelet.amounts import is_qualified_name
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings

NO_SCHEDULE = "virtual-node.interlink/no-schedule"
"""Upstream's: a pod must tolerate it to be sent to a site."""
UNREACHABLE = "virtual-node.interlink/site-unreachable"
MANAGED_ANNOTATION = "virtual-node.interlink/managed-taints"
"""Keys and effects that we set, so that a later start can take away what it no longer wants."""

RELEASE_ANNOTATION = "virtual-node.interlink/release-sweep"
"""An administrator's word that a held sweep may delete up to so many jobs; taken away once read."""

EFFECTS = frozenset(("NoSchedule", "PreferNoSchedule", "NoExecute"))
_SYSTEM_PREFIXES = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Kubernetes' own; a site cannot set or clear them."""

_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
"""Values of labels and taints (API reference)."""

Taint = Mapping[str, Any]


def configured_taints(settings: VirtualKubeletSettings) -> tuple[dict[str, str], ...]:
    """The fixed taint and those of the configuration file."""
    extra = ({"key": item.key, "value": item.value, "effect": item.effect} for item in settings.node_taints)
    return ({"key": NO_SCHEDULE, "value": "true", "effect": "NoSchedule"}, *extra)


def site_taints(reported: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], ...]:
    """The taints of a ping that a node can carry; those without key or with another effect are left out."""
    found = [{key: str(item.get(key) or "") for key in ("key", "value", "effect")} for item in reported]
    return tuple(item for item in found if _is_acceptable(item))


def _is_acceptable(taint: Mapping[str, str]) -> bool:
    # One taint that the API server refuses would keep every other change of the node from being written.
    return (
        is_qualified_name(taint["key"])
        and not taint["key"].startswith(_SYSTEM_PREFIXES)
        and _VALUE.fullmatch(taint["value"]) is not None
        and taint["effect"] in EFFECTS
    )


def unreachable_taint() -> dict[str, str]:
    """Keeps new pods away from a site that cannot be reached; running ones stay."""
    return {"key": UNREACHABLE, "value": "true", "effect": "NoSchedule"}


def merged_taints(
    present: Sequence[Taint], managed: frozenset[tuple[str, str]], ours: Sequence[Taint]
) -> list[dict[str, Any]]:
    """The node's taints when `ours` replace those of `managed`; anybody else's stay, in their order."""
    wanted = {identity(item): dict(item) for item in ours}
    foreign = [dict(item) for item in present if identity(item) not in managed and identity(item) not in wanted]
    kept = {identity(item): item for item in present}
    return [*foreign, *(_with_time(item, kept.get(key)) for key, item in wanted.items())]


def _with_time(taint: dict[str, Any], before: Taint | None) -> dict[str, Any]:
    added = (before or {}).get("timeAdded")
    return {**taint, "timeAdded": added} if added else taint


def identity(taint: Taint) -> tuple[str, str]:
    """A node has at most one taint of a key and effect (API reference)."""
    return str(taint.get("key")), str(taint.get("effect"))


def encode_managed(ours: Iterable[Taint]) -> str:
    return msgspec.json.encode(sorted(identity(item) for item in ours)).decode()


def decode_managed(text: str | None) -> frozenset[tuple[str, str]]:
    """Empty for a node that had no such annotation, or one that somebody broke."""
    try:
        return frozenset(msgspec.json.decode(text or "[]", type=list[tuple[str, str]]))
    except msgspec.DecodeError:
        return frozenset()
