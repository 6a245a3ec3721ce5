"""The rules of probes: when to ask, and from which answers what is concluded. Pure.

Source: Probe in the Kubernetes API reference, and what kubelets make of it.
"""

from typing import Any, Dict, Optional


class Probe:
    """One probe of one run of a container: the thresholds count anew after a restart."""

    def __init__(self, order: Dict[str, Any]) -> None:
        self.action: Dict[str, Any] = order["action"]
        self.initial_delay_s: float = order["initial_delay_s"]
        self.period_s: float = order["period_s"]
        self.timeout_s: float = order["timeout_s"]
        self.grace_s: Optional[float] = order["grace_s"]
        """Of a container that is ended because of this probe; None: the pod's."""
        self.thresholds = {True: order["success_threshold"], False: order["failure_threshold"]}
        self.answer: Optional[bool] = None
        self.in_a_row = 0

    def conclude(self, answer: bool) -> Optional[bool]:
        """Take note of an answer. Returns it once it was given often enough in a row; None: nothing follows yet."""
        self.in_a_row = self.in_a_row + 1 if answer == self.answer else 1
        self.answer = answer
        return answer if self.in_a_row >= self.thresholds[answer] else None

    def pause_s(self, took_s: float) -> float:
        """From an answer, which took that long, to the next question."""
        return max(self.period_s - took_s, 0.0)
