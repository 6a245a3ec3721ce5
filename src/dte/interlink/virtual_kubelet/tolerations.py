"""How long a pod bears that its node looks lost: the taint manager deletes it after that, and its job with it. Pure.

The API server lets tolerations of a pod be added, and their tolerationSeconds be changed, and nothing else
(API reference, Pod; docs/wire/kubernetes.md).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from dte.interlink import pods

OUTAGE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
"""What the node controller puts on a node whose lease ran out, with effect NoExecute."""

KEEP: Literal["keep"] = "keep"
Wish = int | Literal["keep"] | None
"""Seconds at least; None for ever; "keep" leaves pods as they are."""

Toleration = Mapping[str, Any]


def wanted_tolerations(pod: pods.Pod, wish: Wish) -> list[dict[str, Any]] | None:
    """The whole list with which the pod outlasts an outage of its virtual kubelet; None when it has it already."""
    if wish == KEEP:
        return None
    present: Sequence[Toleration] = pods.spec(pod).get("tolerations") or ()
    wanted = [_prolonged(item, wish) if _bears_an_outage(item) else dict(item) for item in present]
    wanted += [_new(taint, wish) for taint in OUTAGE_TAINTS if not any(_bears(item, taint) for item in present)]
    return wanted if wanted != [dict(item) for item in present] else None


def _bears_an_outage(toleration: Toleration) -> bool:
    return any(_bears(toleration, taint) for taint in OUTAGE_TAINTS)


def _bears(toleration: Toleration, taint: str) -> bool:
    """Whether it matches the taint, whose value is empty (API reference, Toleration)."""
    if toleration.get("effect") not in (None, "", "NoExecute"):
        return False
    key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
    if not key:
        return operator == "Exists"
    return key == taint and (operator == "Exists" or not toleration.get("value"))


def _prolonged(toleration: Toleration, wish: int | None) -> dict[str, Any]:
    """Never shortened: a pod may bear more than the wish."""
    seconds = toleration.get("tolerationSeconds")
    if seconds is None or (wish is not None and seconds >= wish):
        return dict(toleration)
    rest = {key: value for key, value in toleration.items() if key != "tolerationSeconds"}
    return rest if wish is None else {**rest, "tolerationSeconds": wish}


def _new(taint: str, wish: int | None) -> dict[str, Any]:
    toleration: dict[str, Any] = {"key": taint, "operator": "Exists", "effect": "NoExecute"}
    return toleration if wish is None else {**toleration, "tolerationSeconds": wish}
