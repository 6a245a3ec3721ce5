"""One answer to a ping out of those of several sidecars."""

from collections.abc import Sequence

from dte.interlink.wire import Ping


def merge_pings(pings: Sequence[Ping]) -> Ping:
    """The site's state as the sidecars that answered tell it, in the order of the configuration.

    Accounts submit to the same partitions, so their resources are one and the same: the first that tells any
    counts. A taint holds only when every sidecar that speaks of taints has it: a drained account must not close
    a node on which others still run. `pings` is not empty.
    """
    assert pings, "a site of which nothing answers has no ping"
    resources = next((ping.resources for ping in pings if ping.resources is not None), None)
    told = [ping.taints for ping in pings if ping.taints is not None]
    taints = tuple(taint for taint in told[0] if all(taint in other for other in told[1:])) if told else None
    return Ping(pings[0].status, resources, taints)
