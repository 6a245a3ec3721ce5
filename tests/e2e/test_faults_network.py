"""A network that is cut between two parts of the site: nothing is lost, and it catches up by itself."""

import json
import time

import pytest

from tests.e2e.outcomes import Apply, phase, require_end, wait_until_running
from tests.lab import faults
from tests.lab.progress import wait_for
from tests.lab.running import LIMIT_S, Site

NODE = "lab-main"
CUT_S = 60.0


def conditions(site: Site) -> dict[str, str]:
    """The conditions of the virtual node: type -> status."""
    node = json.loads(site.kubectl.run("get", "node", NODE, "--output=json"))
    return {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}


def wait_for_condition(site: Site, kind: str, status: str) -> None:
    def other() -> str | None:
        seen = conditions(site)
        return None if seen.get(kind) == status else str(seen)

    wait_for(f"{kind} {status} of {NODE}", other, LIMIT_S)


@pytest.mark.slow
def test_a_minute_without_the_site_changes_no_pod_and_leaves_the_node_ready(site: Site, apply: Apply) -> None:
    ending, running = apply("ends-unseen", "sleep 20; exit 3"), apply("goes-on", "sleep 80; exit 4")
    jobs = [wait_until_running(site, name) for name in (ending, running)]
    with faults.cut(site.container("federation"), site.hosts["edge"]["address"]):
        made = apply("patient", "exit 5")
        until = time.monotonic() + CUT_S
        while time.monotonic() < until:
            assert conditions(site)["Ready"] == "True"
            assert [phase(site, name) for name in (ending, running, made)] == ["Running", "Running", "Pending"]
            time.sleep(2)
        wait_for_condition(site, "InterlinkConnectivity", "False")
    require_end(site, made, 5)
    assert site.jobs_of(require_end(site, ending, 3)) == [jobs[0]]
    assert site.jobs_of(require_end(site, running, 4)) == [jobs[1]]
    wait_for_condition(site, "InterlinkConnectivity", "True")


@pytest.mark.slow
def test_a_minute_without_the_cluster_deletes_nothing_and_is_made_good(site: Site, apply: Apply) -> None:
    ending, running = apply("ends-unseen", "sleep 20; exit 3"), apply("goes-on", "sleep 80; exit 4")
    jobs = [wait_until_running(site, name) for name in (ending, running)]
    with faults.cut(site.container("federation"), site.hosts["kube"]["address"]):
        time.sleep(CUT_S)
        pods = [site.pod(name) for name in (ending, running)]
        assert not any("deletionTimestamp" in pod["metadata"] for pod in pods)
    wait_for_condition(site, "Ready", "True")
    assert site.jobs_of(require_end(site, ending, 3)) == [jobs[0]]
    assert site.jobs_of(require_end(site, running, 4)) == [jobs[1]]


@pytest.mark.slow
def test_a_site_that_was_away_for_moments_is_caught_up_with(site: Site, apply: Apply) -> None:
    ending = apply("ends-unseen", "sleep 3; exit 3")
    job = wait_until_running(site, ending)
    with faults.cut(site.container("federation"), site.hosts["edge"]["address"]):
        made = apply("patient", "exit 5")
        time.sleep(8)
        assert phase(site, made) == "Pending"
    require_end(site, made, 5)
    assert site.jobs_of(require_end(site, ending, 3)) == [job]
