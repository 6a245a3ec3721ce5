"""Whatever happens in whatever order: one job for each pod, true ends, and no job of a pod that is wanted is ended."""

import asyncio

import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dte.interlink import pods
from dte.interlink.virtual_kubelet.ports import SiteUnavailable
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.interlink.watch.hub import WatchHub
from dte.interlink.wire import CreateAnswer, PodStatus
from dte.runtime.errors import Conflict, Unavailable
from tests.unit.virtual_kubelet.builders import another_uid, ended, pod, waiting
from tests.unit.virtual_kubelet.builders import running as runs
from tests.unit.virtual_kubelet.conftest import Running
from tests.unit.virtual_kubelet.fakes import GONE, FakeSite, settle

KILLED = 143


class FaithfulSite(FakeSite):
    """Runs one job for each pod, tells the truth about it, and loses answers when told to."""

    def __init__(self, *, has_stream: bool) -> None:
        super().__init__()
        self.truth: dict[str, str | int] = {}
        """Of each job: queued, running, or its exit code."""
        self.stopping: set[str] = set()
        """Deleted, and not over yet."""
        self.stopped: set[str] = set()
        self.loses_answers = False
        self.told = WatchHub()
        self.hub = self.told if has_stream else None

    async def create(self, request):
        self._check()
        uid = pods.pod_uid(request.pod)
        if uid in self.stopping | self.stopped:
            raise Conflict("the pod was deleted")
        if uid not in self.truth:
            self.set(uid, "queued")
        self._lose()
        return CreateAnswer(uid, "29", ())

    async def delete(self, pod):
        self._check()
        uid = pods.pod_uid(pod)
        self.deleted.append(uid)
        if uid in self.truth and uid not in self.stopped:
            self.stopping.add(uid)
            if self.is_over(uid):
                self.stop(uid)
        self._lose()

    async def statuses(self, asked):
        self._check()
        for uid in self.truth:
            self.knows(self.status(uid))
        return await super().statuses(asked)

    def is_over(self, uid: str) -> bool:
        return isinstance(self.truth[uid], int)

    def set(self, uid: str, state: str | int) -> None:
        self.truth[uid] = state
        self.told.publish(self.status(uid), deleted=uid in self.stopped)

    def stop(self, uid: str) -> None:
        """The deleted job is over."""
        self.stopping.discard(uid)
        self.stopped.add(uid)
        self.set(uid, self.truth[uid] if self.is_over(uid) else KILLED)

    def status(self, uid: str) -> PodStatus:
        state = self.truth[uid]
        container = {"queued": waiting(), "running": runs()}.get(str(state)) or ended(code=int(state))
        return PodStatus("p", uid, "ns", "29", (container,), ())

    def _lose(self) -> None:
        if self.loses_answers:
            raise SiteUnavailable("the answer was lost")


class Life(RuleBasedStateMachine):
    """A node, its site, and everything that goes wrong between them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.is_on = False
        self.has_begun = False
        self.wanted: set[str] = set()
        """Pods that nobody deleted."""
        self.ends: dict[str, str] = {}
        """Terminal phases as first shown."""
        structlog.configure(processors=[_drop], cache_logger_on_first_use=False)

    def run(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    @initialize(has_stream=st.booleans())
    def begin(self, has_stream: bool) -> None:
        self.life = Running(VirtualKubeletSettings.model_construct(node_name="vk", node_ip="192.0.2.10"))
        self.life.site = self.site = FaithfulSite(has_stream=has_stream)
        self.has_stream = has_stream
        self.cluster = self.life.cluster
        self.has_begun = True
        self.turn_on()
        for _ in range(3):
            self.a_pod_comes()

    def _pod(self, number: int) -> str | None:
        alive = [uid for uid in self.cluster.pods if uid in self.wanted]
        return alive[number % len(alive)] if alive else None

    def _job(self, number: int) -> str | None:
        going = [uid for uid in self.site.truth if not self.site.is_over(uid)]
        return going[number % len(going)] if going else None

    # What people and jobs do

    @rule()
    def a_pod_comes(self) -> None:
        uid = another_uid()
        self.wanted.add(uid)
        self.cluster.apply(pod(uid=uid, name=f"p-{uid}"))
        self.run(settle())

    @rule(number=st.integers(0, 3), grace_s=st.sampled_from([30, 0]))
    def a_pod_is_deleted(self, number: int, grace_s: int) -> None:
        uid = self._pod(number)
        if uid is not None:
            self.wanted.discard(uid)
            self.cluster.delete(uid, grace_s=grace_s)
            self.run(settle())

    @rule(number=st.integers(0, 3))
    def a_job_starts(self, number: int) -> None:
        uid = self._job(number)
        if uid is not None and uid not in self.site.stopping:
            self.site.set(uid, "running")
            self.run(settle())

    @rule(number=st.integers(0, 3), code=st.sampled_from([0, 3]))
    def a_job_ends(self, number: int, code: int) -> None:
        uid = self._job(number)
        if uid is None:
            return
        if uid in self.site.stopping:
            self.site.stop(uid)
        else:
            self.site.set(uid, code)
        self.run(settle())

    # What goes wrong

    @rule(is_down=st.booleans(), loses_answers=st.booleans())
    def the_site_changes(self, is_down: bool, loses_answers: bool) -> None:
        self.site.is_down, self.site.loses_answers = is_down, loses_answers

    @precondition(lambda self: self.is_on)
    @rule(error=st.sampled_from([None, SiteUnavailable("cut")]))
    def the_stream_breaks(self, error: Exception | None) -> None:
        broken = self.site._break
        if broken is not None and not broken.done():
            self.site.break_watch(error)
            self.run(settle())

    @rule(error=st.sampled_from([None, Unavailable("no route")]))
    def the_cluster_changes(self, error: Exception | None) -> None:
        self.cluster.fail_with = error

    @precondition(lambda self: self.is_on)
    @rule(error=st.sampled_from([None, GONE, Unavailable("reset")]))
    def the_watch_of_pods_breaks(self, error: Exception | None) -> None:
        self.cluster.break_watch(error)
        self.run(settle())

    @precondition(lambda self: self.is_on)
    @rule()
    def it_crashes(self) -> None:
        self.run(self.life.stop())
        self.is_on = False

    @precondition(lambda self: self.is_on)
    @rule(number=st.integers(0, 3), grace_s=st.sampled_from([30, 0]))
    def a_pod_is_deleted_while_it_is_away(self, number: int, grace_s: int) -> None:
        self.it_crashes()
        self.a_pod_is_deleted(number, grace_s)
        self.turn_on()

    @precondition(lambda self: not self.is_on)
    @rule()
    def turn_on(self) -> None:
        self.run(self.life.start())
        self.is_on = True

    @rule(seconds=st.sampled_from([1, 10, 100, 400]))
    def time_passes(self, seconds: int) -> None:
        self.run(self.life.clock.advance(seconds))

    # What must hold

    @invariant()
    def no_job_of_a_wanted_pod_is_deleted(self) -> None:
        if self.has_begun:
            assert not self.wanted & set(self.site.deleted)

    @invariant()
    def an_end_is_true_and_final(self) -> None:
        for uid, shown in self.cluster.pods.items() if self.has_begun else ():
            phase = pods.phase(shown)
            if phase in ("Succeeded", "Failed"):
                assert self.ends.setdefault(uid, phase) == phase
            if phase == "Succeeded":
                assert self.site.truth[uid] == 0

    def teardown(self) -> None:
        if not self.has_begun:
            return
        try:
            self._heal()
            self.no_job_of_a_wanted_pod_is_deleted()
            self.an_end_is_true_and_final()
            self._all_is_well()
        finally:
            self.run(self.life.stop())
            self.loop.close()
            structlog.reset_defaults()

    def _heal(self) -> None:
        self.site.is_down = self.site.loses_answers = False
        self.cluster.fail_with = None
        if not self.is_on:
            self.turn_on()
        self.time_passes(400)
        for uid in sorted(self.site.stopping):
            self.site.stop(uid)
        self.time_passes(400)
        for uid in sorted(self.site.stopping):
            self.site.stop(uid)
        self.time_passes(100)

    def _all_is_well(self) -> None:
        assert set(self.cluster.pods) == self.wanted
        for uid in self.wanted:
            state = self.site.truth[uid]
            expected = {"queued": "Pending", "running": "Running", "0": "Succeeded"}.get(str(state), "Failed")
            assert pods.phase(self.cluster.pods[uid]) == expected
        left = set(self.site.truth) - self.wanted - self.site.stopped
        assert not left or not self.has_stream, "jobs without pods are left"


def _drop(*_: object) -> None:
    raise structlog.DropEvent


Life.TestCase.settings = settings(
    max_examples=20, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLife = Life.TestCase
