"""What a run changed on each host: files, units, releases."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dte.site.events import Event, HostResult, Outcome

UNIT_ACTIONS = frozenset({"ansible.builtin.systemd_service", "ansible.builtin.systemd", "systemd_service"})
RELEASE_ACTION = "intertwin.dte.python_release"


@dataclass(slots=True)
class HostChanges:
    """In the order in which they happened, each once."""

    files: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    releases: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    """Names of tasks that changed something else."""


def gather(events: Iterable[Event]) -> dict[str, HostChanges]:
    """The changes of each host; a host that was looked at and left as it was has an empty record."""
    hosts: dict[str, HostChanges] = {}
    for event in events:
        if isinstance(event, HostResult):
            changes = hosts.setdefault(event.host, HostChanges())
            if event.outcome is Outcome.CHANGED:
                _record(changes, event)
    return hosts


def _record(changes: HostChanges, event: HostResult) -> None:
    for answer in _changed_answers(event.result):
        places = answer.get("changed_paths") or [answer.get("dest") or answer.get("path")]
        if event.action == RELEASE_ACTION:
            _add(changes.releases, _release_text(answer))
        elif event.action in UNIT_ACTIONS:
            # What was asked: of a restart the module tells only that the unit is started.
            _add(changes.units, f"{answer.get('name')} {_asked(answer).get('state') or 'changed'}")
        elif all(isinstance(place, str) for place in places):
            for place in places:
                _add(changes.files, place)
        else:
            _add(changes.other, event.task)


def _changed_answers(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The module's answers that say "changed": one, or those of a loop's items."""
    items = result.get("results")
    for answer in items if isinstance(items, list) else [result]:
        if isinstance(answer, Mapping) and answer.get("changed"):
            yield answer


def _release_text(answer: Mapping[str, Any]) -> str:
    name = str(_asked(answer).get("name", "release"))
    before, now = answer.get("previous"), answer.get("release")
    if now is None:
        return f"{name} removed"
    return f"{name} {before} -> {now}" if before else f"{name} {now}"


def _asked(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options that the module was called with."""
    invocation = answer.get("invocation")
    arguments = invocation.get("module_args") if isinstance(invocation, Mapping) else None
    return arguments if isinstance(arguments, Mapping) else {}


def _add(items: list[str], text: str) -> None:
    if text not in items:
        items.append(text)


def summary(hosts: Mapping[str, HostChanges]) -> list[str]:
    """`edge: nothing changed`, or the host with a line for each kind of change."""
    lines = []
    for host, changes in sorted(hosts.items()):
        kinds = {
            "releases": changes.releases,
            "files": changes.files,
            "units": changes.units,
            "other": changes.other,
        }
        rows = [f"  {kind:<9} {', '.join(items)}" for kind, items in kinds.items() if items]
        lines += [f"{host}:", *rows] if rows else [f"{host}: nothing changed"]
    return lines
