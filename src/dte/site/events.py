"""What ansible-runner tells of a play, as records. Raw events are JSON objects of its callback plugin."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Outcome(Enum):
    """How a task ended on a host."""

    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class PlayStarted:
    name: str


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """`role` is empty for a task outside of roles; else its short name, without the collection's."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class HostResult:
    """One task on one host. `result` is the module's answer as it came, empty where Ansible censors it."""

    host: str
    task: str
    action: str
    outcome: Outcome
    result: Mapping[str, Any] = field(default_factory=dict)
    ignored: bool = False
    """A failure that the playbook expects: it goes on."""


Event = PlayStarted | TaskStarted | HostResult

_OUTCOMES = {
    "runner_on_ok": Outcome.OK,
    "runner_on_skipped": Outcome.SKIPPED,
    "runner_on_failed": Outcome.FAILED,
    "runner_on_unreachable": Outcome.UNREACHABLE,
}


def parse_event(raw: Mapping[str, Any]) -> Event | None:
    """The record of a raw event; None for those that nobody here needs (items of loops, statistics, output)."""
    kind, data = raw.get("event"), raw.get("event_data") or {}
    if kind == "playbook_on_play_start":
        return PlayStarted(str(data.get("name") or data.get("play") or ""))
    if kind in ("playbook_on_task_start", "playbook_on_handler_task_start"):
        return TaskStarted(_task_name(data), _short(data.get("role")))
    if kind in _OUTCOMES:
        return _host_result(_OUTCOMES[kind], data)
    return None


def _host_result(outcome: Outcome, data: Mapping[str, Any]) -> HostResult:
    result = data.get("res")
    answer: Mapping[str, Any] = result if isinstance(result, Mapping) else {}
    if outcome is Outcome.OK and answer.get("changed"):
        outcome = Outcome.CHANGED
    return HostResult(
        host=str(data.get("host", "")),
        task=_task_name(data),
        action=str(data.get("task_action", "")),
        outcome=outcome,
        result=answer,
        ignored=bool(data.get("ignore_errors")),
    )


def _task_name(data: Mapping[str, Any]) -> str:
    """The name without the role's, which Ansible puts before it."""
    name = str(data.get("task") or data.get("name") or "")
    return name.split(" : ", 1)[-1]


def _short(role: object) -> str:
    return str(role or "").rsplit(".", 1)[-1]


def messages(result: Mapping[str, Any]) -> list[str]:
    """What a failed module says, a line each: its message, that of each failed item of a loop, and its error output."""
    items = result.get("results")
    if isinstance(items, list) and items:
        return [line for item in items if _is_failed(item) for line in messages(item)]
    text = str(result.get("msg") or "")
    errors = str(result.get("stderr") or result.get("module_stderr") or "")
    parts = [text] + ([errors] if errors.strip() and errors.strip() not in text else [])
    wrong = [str(problem) for problem in result.get("problems") or []]
    return [line for part in (*parts, *wrong) for line in part.splitlines() if line.strip()]


def _is_failed(item: object) -> bool:
    return isinstance(item, Mapping) and bool(item.get("failed"))
