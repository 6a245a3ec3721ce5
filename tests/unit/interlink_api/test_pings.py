"""One ping out of several."""

from dte.interlink.api.pings import merge_pings
from dte.interlink.wire import Ping

DRAINED = {"key": "virtual-node.interlink/drained", "value": "true", "effect": "NoSchedule"}
MAINTENANCE = {"key": "site.example/maintenance", "value": "true", "effect": "NoSchedule"}


def test_resources_are_those_of_the_first_that_tells_any() -> None:
    merged = merge_pings([Ping(), Ping(resources={"cpu": "8"}), Ping(resources={"cpu": "9"})])
    assert merged.resources == {"cpu": "8"}


def test_a_taint_holds_when_every_sidecar_has_it() -> None:
    merged = merge_pings([Ping(taints=(DRAINED, MAINTENANCE)), Ping(taints=(MAINTENANCE,))])
    assert merged.taints == (MAINTENANCE,)


def test_a_sidecar_silent_on_taints_does_not_lift_them() -> None:
    assert merge_pings([Ping(), Ping(taints=(DRAINED,))]).taints == (DRAINED,)


def test_no_taints_clears_and_unsaid_leaves() -> None:
    assert merge_pings([Ping(taints=()), Ping(taints=(DRAINED,))]).taints == ()
    assert merge_pings([Ping(), Ping()]).taints is None
