"""What daemon_info makes of systemd's and a daemon's answers."""

import pytest
from ansible_collections.intertwin.dte.plugins.module_utils._daemons import (
    describe,
    parse_show,
    readiness_problem,
    unit_problem,
)

# systemctl show --property=... of systemd 257: a running service, a failed one and a name that it does not know.
SHOW = """Id=interlink-slurm@twin01.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NRestarts=3
Result=success

Id=interlink-api.service
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=enabled
NRestarts=0
Result=exit-code

Id=nobody@x.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
NRestarts=0
Result=success
"""


def test_each_block_is_a_unit() -> None:
    units = parse_show(SHOW)
    assert list(units) == ["interlink-slurm@twin01.service", "interlink-api.service", "nobody@x.service"]
    assert units["interlink-slurm@twin01.service"]["NRestarts"] == "3"


@pytest.mark.parametrize(
    ("unit", "problem"),
    [
        pytest.param("interlink-slurm@twin01.service", None, id="running"),
        pytest.param("interlink-api.service", "is failed (exit-code)", id="failed"),
        pytest.param("nobody@x.service", "is not installed", id="not installed"),
        pytest.param("never-asked.service", "is not installed", id="absent from the answer"),
    ],
)
def test_a_units_problem_is_said_in_words(unit: str, problem: str | None) -> None:
    assert unit_problem(parse_show(SHOW).get(unit)) == problem


def test_a_unit_that_would_not_survive_a_reboot_is_a_problem() -> None:
    assert "reboot" in unit_problem({"ActiveState": "active", "UnitFileState": "disabled"})


@pytest.mark.parametrize(
    ("status", "text", "problem"),
    [
        (200, "ok\n", None),
        (503, "no poll yet\n", "not ready: no poll yet"),
        (500, "", "not ready: status 500"),
        (None, "Connection refused", "admin listener does not answer: Connection refused"),
    ],
)
def test_readiness_is_said_in_words(status: int | None, text: str, problem: str | None) -> None:
    assert readiness_problem(status, text) == problem


def test_a_running_daemon_that_is_not_ready_is_wrong() -> None:
    record = describe("u", {"ActiveState": "active", "UnitFileState": "enabled", "NRestarts": "3"}, (503, "no poll"))
    assert record["problem"] == "not ready: no poll"
    assert (record["ready"], record["restarts"]) == (False, 3)


def test_a_unit_without_admin_listener_is_judged_by_systemd_alone() -> None:
    record = describe("u.socket", {"ActiveState": "active", "UnitFileState": "enabled"}, None)
    assert (record["problem"], record["ready"]) == (None, None)
