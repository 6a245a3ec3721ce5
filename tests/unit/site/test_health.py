"""`dte site status`: a table, and what is wrong."""

from typing import Any

from dte.site.events import HostResult, Outcome
from dte.site.health import ACTION, Service, is_healthy, report, services


def looked(*daemons: dict[str, Any]) -> HostResult:
    return HostResult("edge", "Look", ACTION, Outcome.OK, {"daemons": list(daemons)})


READY = {"unit": "a.service", "active": "active", "ready": True, "problem": None}
STALE = {"unit": "b.service", "active": "active", "ready": False, "problem": "not ready: no poll"}


def test_daemons_that_are_ready_are_well() -> None:
    found = services([looked(READY)])
    assert is_healthy(found)
    assert report(found) == ["host  unit       state", "edge  a.service  ready", "", "all well"]


def test_one_daemon_that_is_not_ready_is_wrong() -> None:
    found = services([looked(READY, STALE)])
    assert not is_healthy(found)
    assert report(found)[-1] == "edge: b.service: not ready: no poll"


def test_a_host_out_of_reach_is_wrong_and_says_why() -> None:
    found = services([HostResult("edge", "Look", ACTION, Outcome.UNREACHABLE, {"msg": "no route"})])
    assert found == [Service("edge", "-", "unreachable", "no route")]
    assert not is_healthy(found)


def test_a_site_without_daemons_is_not_well() -> None:
    assert not is_healthy([])
    assert "no daemon" in report([])[0]


def test_other_tasks_are_not_asked() -> None:
    assert services([HostResult("edge", "Gather", "setup", Outcome.OK, {"daemons": [READY]})]) == []
