"""kill -9 of every daemon at many moments in the life of pods: one job for each pod, its true end, none forgotten."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.compute_path.chain import TERMINAL, Chain
from tests.integration.compute_path.daemons import Killer

AT_ONCE = 4
"""Pods that are not over."""
TOGETHER = 5
"""Every fifth time all daemons are killed at once."""
TURN_S = 1.0


def code_of(number: int) -> int:
    """With what the program of a pod ends: no two neighbours are alike."""
    return 0 if number % 3 == 0 else 10 + number % 200


def is_to_be_deleted(number: int) -> bool:
    return number % 4 == 0


def is_to_be_made_again(number: int) -> bool:
    return number % 8 == 0


@dataclass
class Workload:
    """Pods that end, that are deleted while they run, and that are then made again under the same name."""

    chain: Chain
    made: int = 0
    numbers: dict[str, int] = field(default_factory=dict)
    """By UID, of every pod that was seen."""
    first: dict[int, str] = field(default_factory=dict)
    """UID of the first pod of a number."""
    deleted: set[str] = field(default_factory=set)
    again: set[int] = field(default_factory=set)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)

    def turn(self, *, goes_on: bool) -> int:
        """Look; delete what runs and is to go; make again what is gone; while it goes on, make new ones.

        Returns how many pods were made: they are not in `pods` yet.
        """
        made_before = self.made + len(self.again)
        self.pods = self.chain.pods()
        for uid, pod in self.pods.items():
            number = self.numbers.setdefault(uid, int(pod["metadata"]["name"].removeprefix("p")))
            self.first.setdefault(number, uid)
        for number, uid in self.first.items():
            if not is_to_be_deleted(number):
                continue
            if uid in self.pods and uid not in self.deleted and self.pods[uid]["status"]["phase"] == "Running":
                self.deleted.add(uid)
                self.chain.delete(f"p{number}")
            if uid not in self.pods and is_to_be_made_again(number) and number not in self.again:
                self.again.add(number)
                self.make(number, "exit")
        missing = AT_ONCE - sum(1 for pod in self.pods.values() if pod["status"]["phase"] not in TERMINAL)
        for _ in range(missing if goes_on else 0):
            self.made += 1
            self.make(self.made, "sleep" if is_to_be_deleted(self.made) else "exit")
        return self.made + len(self.again) - made_before

    def make(self, number: int, end: str) -> None:
        command = f"sleep 1; exit {code_of(number)}" if end == "exit" else "exec sleep 300"
        self.chain.kube.apply(self.chain.pod(f"p{number}", command))

    def is_over(self) -> bool:
        if self.turn(goes_on=False):
            return False
        are_gone = self.deleted.isdisjoint(self.pods)
        to_come = {number for number in self.first if is_to_be_made_again(number)} - self.again
        are_made = len(self.first) == self.made and not to_come
        return are_gone and are_made and all(pod["status"]["phase"] in TERMINAL for pod in self.pods.values())


def killed(chain: Chain, moments: int) -> Workload:
    """A workload during which each daemon was killed that often, and that is over."""
    barrier = threading.Barrier(len(chain.services))
    killers = [
        Killer(service, moments_of(moments, at), barrier, TOGETHER)
        for at, service in enumerate(chain.services.values())
    ]
    workload = Workload(chain)
    for killer in killers:
        killer.start()
    while any(killer.is_alive() for killer in killers):
        workload.turn(goes_on=True)
        killers[0].join(TURN_S)
    for killer in killers:
        assert killer.failure is None, killer.failure
        assert killer.kills == moments
    chain.until("the end of all pods", workload.is_over)
    return workload


def moments_of(count: int, daemon: int) -> Sequence[int]:
    """After how many lines of its log a life ends: 2 to 14 in a mixed order, another one for each daemon.

    The first five or so are those of its start; then come a line or two for each step of a pod.
    """
    return [2 + (5 * number + 4 * daemon) % 13 for number in range(count)]


def require_the_promise(workload: Workload) -> None:
    chain, jobs, ran = workload.chain, workload.chain.jobs(), workload.chain.ran()
    assert set(jobs) <= set(workload.numbers), "a job of no pod"
    for uid, number in workload.numbers.items():
        its_jobs, its_runs = jobs.get(uid, {}), ran.get(uid, [])
        if uid in workload.deleted:
            assert (len(its_jobs), len(its_runs)) == (1, 1)
            assert set(its_jobs.values()).isdisjoint({"PENDING", "RUNNING"})
            continue
        pod = workload.pods[uid]
        assert its_runs == list(its_jobs) == [pod["metadata"]["annotations"]["JobID"]], f"p{number} {uid}"
        assert exit_code(pod) == code_of(number), pod["status"]
        assert pod["status"]["phase"] == ("Succeeded" if code_of(number) == 0 else "Failed")
    assert len(workload.deleted) > 0, f"see {chain.files}"


def exit_code(pod: dict[str, Any]) -> int:
    return int(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"])


def test_kills_at_twenty_moments_of_each_daemon_cost_no_pod_its_job_or_its_end(chain: Chain) -> None:
    require_the_promise(killed(chain, 20))


@pytest.mark.slow
def test_kills_at_two_hundred_moments_of_each_daemon_cost_no_pod_its_job_or_its_end(chain: Chain) -> None:
    require_the_promise(killed(chain, 200))
