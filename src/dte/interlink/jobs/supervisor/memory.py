"""Whether the kernel killed for want of memory, as far as the job's control group tells."""

import os
from typing import List, Optional, Tuple

COUNTERS = {"": "memory.events", "memory": "memory.oom_control"}
"""By controller: of the unified hierarchy and of the first one (cgroups(7))."""


def count_oom_kills(groups: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> Optional[int]:
    """Processes that the kernel has killed in our control group so far; None where nothing tells."""
    for controller, path in _memory_groups(groups):
        place = os.path.join(root, controller, path.strip("/"))
        while place.startswith(root):
            found = _counter(os.path.join(place, COUNTERS[controller]))
            if found is not None:
                return found
            place = os.path.dirname(place)
    return None


def _memory_groups(groups: str) -> List[Tuple[str, str]]:
    try:
        with open(groups, encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    unified = [("", fields[2]) for fields in lines if len(fields) == 3 and not fields[1]]
    first = [("memory", fields[2]) for fields in lines if len(fields) == 3 and "memory" in fields[1].split(",")]
    return first + unified  # where both are mounted, memory is counted in the first hierarchy


def _counter(path: str) -> Optional[int]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            fields = [line.split() for line in file]
    except OSError:
        return None
    return next((int(words[1]) for words in fields if len(words) == 2 and words[0] == "oom_kill"), None)
