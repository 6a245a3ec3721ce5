"""The nodes of molecule's scenarios, as testinfra's hosts."""

import json
import re
from typing import Any

from tests.tools.role_nodes import STATE

MAX_EXPOSURE = 2.0
"""Of systemd-analyze security; 10 is a unit without any hardening."""


def state() -> dict[str, Any]:
    """What `role_nodes up` wrote. Raises FileNotFoundError when no node runs."""
    found: dict[str, Any] = json.loads(STATE.read_text())
    return found


def testinfra_host(name: str) -> str:
    return f"docker://{state()[name]['container']}"


def exposure(host: Any, unit: str) -> float:
    """The score of a unit, from the last line of systemd-analyze security."""
    said = host.check_output(f"systemd-analyze --no-pager security {unit}")
    match = re.search(r"exposure level for \S+: ([0-9.]+)", said)
    assert match, said
    return float(match[1])


def complaints(host: Any, unit: str) -> str:
    """What systemd-analyze verify says of a unit: unknown settings, programs that are not there."""
    done = host.run(f"systemd-analyze verify {unit}")
    return str(done.stdout + done.stderr) if done.rc else ""


def main_pid(host: Any, unit: str) -> int:
    return int(host.check_output(f"systemctl show --value --property=MainPID {unit}"))


def owner_of(host: Any, unit: str) -> str:
    """The user that the main process runs as."""
    return str(host.check_output(f"ps -o user:32= -p {main_pid(host, unit)}"))


def kill_and_wait(host: Any, unit: str, ready: str) -> int:
    """Kill the main process and wait until `ready` (a shell command) succeeds; the new process id."""
    old = main_pid(host, unit)
    host.check_output(f"kill -KILL {old}")
    host.check_output(
        f"for i in $(seq 60); do new=$(systemctl show --value --property=MainPID {unit}); "
        f'test "$new" != {old} && test "$new" != 0 && {ready} && exit 0; sleep 0.5; done; exit 1'
    )
    return main_pid(host, unit)
