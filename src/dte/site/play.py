"""Run a playbook through ansible-runner and hand on its events."""

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from dte.site.events import Event, parse_event

FORKS = "10"


@dataclass(frozen=True, slots=True)
class Play:
    """A playbook, what it runs on and how."""

    playbook: Path
    inventory: Path
    collections_path: Sequence[Path]
    limit: str = ""
    tags: str = ""
    check: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)


def run(play: Play, on_event: Callable[[Event], None]) -> bool:
    """Run it to its end, events in order as they come; True when every host succeeded.

    What ansible-runner keeps of a run (its artifacts, with the hosts' answers) is removed afterwards.
    """

    def handle(raw: Mapping[str, Any]) -> bool:
        event = parse_event(raw)
        if event is not None:
            on_event(event)
        return False  # nothing for ansible-runner to keep

    with tempfile.TemporaryDirectory(prefix="dte-site-") as private:
        result = ansible_runner.run(
            private_data_dir=private,
            project_dir=str(Path.cwd()),
            playbook=str(play.playbook),
            inventory=str(play.inventory.resolve()),
            limit=play.limit or None,
            tags=play.tags or None,
            cmdline="--check" if play.check else None,
            extravars=dict(play.variables),
            envvars=_environment(play),
            event_handler=handle,
            quiet=True,
        )
    return bool(result.status == "successful")


def _environment(play: Play) -> dict[str, str]:
    """For ansible-playbook, which lies beside the interpreter that runs us."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, play.collections_path)),
        "ANSIBLE_FORKS": os.environ.get("ANSIBLE_FORKS", FORKS),
        "ANSIBLE_PIPELINING": os.environ.get("ANSIBLE_PIPELINING", "1"),
    }
