"""What runs on the hosts and what is wrong, from the answers of the module daemon_info."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dte.site.events import Event, HostResult, Outcome, messages

ACTION = "intertwin.dte.daemon_info"
NO_HOST = (
    "no daemon: the inventory (with --limit) puts no host into interlink_slurm, interlink_api or virtual_kubelet;"
    " is groups.yml there, or a link that leads nowhere?"
)


@dataclass(frozen=True, slots=True)
class Service:
    """A unit of a host; `problem` is None when it is up and ready."""

    host: str
    unit: str
    state: str
    problem: str | None


def services(events: Iterable[Event]) -> list[Service]:
    """All units that were looked at, and for each host that could not be asked one line that says why."""
    found: list[Service] = []
    for event in events:
        if not isinstance(event, HostResult):
            continue
        if event.outcome in (Outcome.FAILED, Outcome.UNREACHABLE) and not event.ignored:
            said = " ".join(messages(event.result)) or event.task
            found.append(Service(event.host, "-", event.outcome.value, said))
        elif event.action == ACTION:
            found += [
                Service(event.host, str(item["unit"]), _state(item), item["problem"])
                for item in event.result.get("daemons") or []
            ]
    return found


def _state(item: dict[str, object]) -> str:
    return "ready" if item.get("ready") else str(item.get("active"))


def is_healthy(found: Sequence[Service]) -> bool:
    """Whether there is something to run and all of it does."""
    return bool(found) and all(item.problem is None for item in found)


def report(found: Sequence[Service]) -> list[str]:
    """A table of host, unit and state, then what is wrong."""
    if not found:
        return [NO_HOST]
    host_width = max(len("host"), *(len(item.host) for item in found))
    unit_width = max(len("unit"), *(len(item.unit) for item in found))
    rows = [f"{item.host:<{host_width}}  {item.unit:<{unit_width}}  {item.state}" for item in found]
    wrong = [f"{item.host}: {item.unit}: {item.problem}" for item in found if item.problem]
    head = f"{'host':<{host_width}}  {'unit':<{unit_width}}  state"
    return [head, *rows, "", *(wrong or ["all well"])]
