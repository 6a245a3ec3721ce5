"""One container through all its runs."""

from typing import Any, Dict, Optional

from .output import Pump
from .programs import Started


class Container:
    """One container through all its runs."""

    def __init__(self, order: Dict[str, Any], reason: str) -> None:
        self.order = order
        self.name: str = order["name"]
        self.kind: str = order["kind"]
        self.state: Dict[str, Any] = {"state": "waiting", "reason": reason}
        self.last: Optional[Dict[str, Any]] = None
        self.restart_count = 0
        self.is_over = False
        self.restart_at: Optional[float] = None
        self.backoff_s = 0.0
        self.started: Optional[Started] = None
        self.started_at: Optional[float] = None
        self.pump: Optional[Pump] = None

    @property
    def exit_code(self) -> int:
        """Of the last run that is over; 0 before that."""
        return int(self.state.get("exit_code", 0))

    def file(self, suffix: str) -> str:
        return "%s-%s.%s" % ("init" if self.kind == "init" else "run", self.name, suffix)

    def to_wire(self) -> Dict[str, Any]:
        return dict(self.state, kind=self.kind, restart_count=self.restart_count, last=self.last)


def should_restart(policy: str, kind: str, exit_code: int) -> bool:
    """Kubernetes' restartPolicy; an init container is done for good once it succeeded."""
    if policy == "Always" and kind == "main":
        return True
    return policy in ("Always", "OnFailure") and exit_code != 0
