"""Conditions of pods and nodes: a list of {type, status, reason, message} with the time of the last change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Truth = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What is now true; when it became so is found by `with_transition`."""

    type: str
    status: Truth
    reason: str = ""
    message: str = ""


def truth(value: bool) -> Truth:
    return "True" if value else "False"


def with_transition(condition: Condition, before: Sequence[Mapping[str, Any]], now: str) -> dict[str, Any]:
    """The condition as the API has it: lastTransitionTime stays while the status does (API conventions)."""
    earlier = find_condition(before, condition.type)
    kept = earlier.get("lastTransitionTime") if earlier and earlier.get("status") == condition.status else None
    wire: dict[str, Any] = {
        "type": condition.type,
        "status": condition.status,
        "lastTransitionTime": kept or now,
    }
    # Sent even when empty: a merge patch that leaves them out would keep the reason of the state before.
    wire["reason"] = condition.reason or None
    wire["message"] = condition.message or None
    return wire


def find_condition(conditions: Iterable[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    """The condition of that type, or None."""
    return next((item for item in conditions if item.get("type") == kind), None)


def same_conditions(left: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> bool:
    """True when every condition of `right` stands in `left`, whatever the heartbeat times."""
    return all(_same(find_condition(left, str(item.get("type"))), item) for item in right)


def _same(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    fields = ("status", "reason", "message", "lastTransitionTime")
    return one is not None and all((one.get(key) or None) == (other.get(key) or None) for key in fields)
