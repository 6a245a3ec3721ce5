"""The promise, checked after every step of any order of requests, ends, outages, lost answers, kills and restarts.

One sidecar with its real table, submitter, stopper, poller, keeper and store on a real directory; below it a
`Cluster`; and a switch that kills it between any two changes of its files.
"""

import asyncio
import base64
import tempfile
import uuid
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dte.interlink.sidecars.slurm.batch import Submission
from dte.interlink.sidecars.slurm.life import State
from dte.interlink.sidecars.slurm.record import Record, decode_record
from dte.interlink.wire import ContainerVolumes, PluginCreate
from dte.runtime.errors import DteError
from tests.unit.interlink_slurm.cluster import Cluster, Run
from tests.unit.interlink_slurm.conftest import MEMORY
from tests.unit.interlink_slurm.killing import SWITCH, Killed
from tests.unit.interlink_slurm.pods import a_container, a_pod
from tests.unit.interlink_slurm.site import CREATOR, GRACE_S, RETENTION_S, Site

PODS = st.sampled_from([0, 1])
FATES = st.sampled_from(["ok", "ok", "ok", "lost", "late", "down", "refused", "policy"])
NUMBERS = st.integers(0, 7)
"""Which of several: counted round."""
ENDED_BY_SLURM = ("TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "FAILED")
CODES_OF_NOBODY = {1, 2, 137, 143}
"""What a pod shows whose program did not end by itself. Programs of this test end with 0, or 10 and more."""
SECRET = {"metadata": {"name": "s"}, "data": {"key": base64.b64encode(b"hidden").decode()}}


class TickingClock:
    """No two moments are the same, as on a real machine."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1e-4
        return self.now


@dataclass(eq=False)
class Hanging:
    """An sbatch that does not answer yet."""

    submission: Submission
    fate: asyncio.Future[str]


class GatedCluster(Cluster):
    """A submit with the fate "hang" answers when the test decides how."""

    hanging: list[Hanging]

    async def submit(self, submission: Submission) -> str:
        if self.fate != "hang":
            return await super().submit(submission)
        hanging = Hanging(submission, asyncio.get_running_loop().create_future())
        self.hanging.append(hanging)
        try:
            return self.settle_submit(submission, await hanging.fate)
        finally:
            self.hanging.remove(hanging)


@dataclass
class Request:
    """A create or delete that is under way."""

    what: str
    uid: str
    task: asyncio.Task[Any]


@dataclass
class Told:
    """What a pod's owner was told, and what must therefore stay true."""

    uid: str
    job_id: str = ""
    """A create was answered with one."""
    is_delete_sent: bool = False
    is_delete_answered: bool = False
    """Of a pod on record."""
    submits: int = 0
    """When the delete was answered."""
    end: Sequence[Any] = ()
    """Final container states that were shown."""
    record: Record | None = None
    """As last seen on disk."""


def a_creation(pod: dict[str, Any]) -> PluginCreate:
    return PluginCreate(pod, (ContainerVolumes("main", secrets=(SECRET,)),))


def a_secret_pod(uid: str) -> dict[str, Any]:
    container = {**a_container(), "volumeMounts": [{"name": "v", "mountPath": "/s"}]}
    return a_pod(container, uid=uid, volumes=[{"name": "v", "secret": {"secretName": "s"}}])


class AnyOrder(RuleBasedStateMachine):
    """Two pods at a time. The cluster's runs are the truth, `told` is what was promised."""

    @initialize(has_accounting=st.booleans())
    def begin(self, has_accounting: bool) -> None:
        self.runner = asyncio.Runner()
        self.files = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        root = Path(self.files.name)
        self.cluster = GatedCluster(root, has_accounting=has_accounting)
        self.cluster.hanging = []
        self.site = Site(root, self.cluster, TickingClock())
        self.requests: list[Request] = []
        self.pods_made = self.programs_ended = 0
        self.told = [self.a_new_pod(), self.a_new_pod()]
        self.look: tuple[Any, float] | None = None

    def a_new_pod(self) -> Told:
        self.pods_made += 1
        return Told(str(uuid.UUID(int=self.pods_made)))

    # Requests

    @rule(pod=PODS, fate=FATES)
    def create(self, pod: int, fate: str) -> None:
        self.cluster.fate, self.cluster.is_down = fate, False
        uid = self.told[pod].uid
        work = self.site.submitter.create(a_creation(a_secret_pod(uid)), owner_id="ks/node", creator=CREATOR)
        self.request("create", uid, work)

    @rule(pod=PODS)
    def create_while_sbatch_hangs(self, pod: int) -> None:
        self.create(pod, "hang")

    @precondition(lambda self: self.cluster.hanging)
    @rule(fate=FATES, number=NUMBERS)
    def sbatch_answers(self, fate: str, number: int) -> None:
        chosen(self.cluster.hanging, number).fate.set_result(fate)
        self.work(self.settled())

    @rule(pod=PODS, is_down=st.booleans())
    def delete(self, pod: int, is_down: bool) -> None:
        self.cluster.is_down = is_down
        self.told[pod].is_delete_sent = True
        self.request("delete", self.told[pod].uid, self.deleted(self.told[pod].uid))

    async def deleted(self, uid: str) -> bool:
        """Whether the pod whose delete was answered was on record then."""
        await self.site.stopper.delete(a_pod(uid=uid))
        job = self.site.job(uid)
        return job is not None and job.record.is_deleted

    # The sidecar's own work

    @precondition(lambda self: self.has_begun())
    @rule(is_down=st.booleans())
    def the_queue_is_looked_at(self, is_down: bool) -> None:
        self.cluster.is_down = is_down
        self.work(self.site.poller.look())

    @precondition(lambda self: self.has_begun() and not self.look)
    @rule()
    def a_look_begins(self) -> None:
        self.cluster.is_down = False
        begun_at = self.site.clock()
        self.look = (self.runner.run(self.cluster.queue()), begun_at)

    @precondition(lambda self: self.look)
    @rule()
    def the_look_arrives(self) -> None:
        (listing, begun_at), self.look = self.look, None
        self.work(self.site.poller.apply(listing, begun_at))

    @precondition(lambda self: self.has_begun())
    @rule()
    def files_are_read(self) -> None:
        self.work(self.site.keeper.tick())

    @precondition(lambda self: self.has_begun())
    @rule(is_down=st.booleans())
    def deletions_go_on(self, is_down: bool) -> None:
        self.cluster.is_down = is_down
        self.work(self.site.stopper.tick())

    @precondition(lambda self: self.has_begun())
    @rule(seconds=st.sampled_from([1, 10, GRACE_S, 700]))
    def time_passes(self, seconds: float) -> None:
        self.site.clock.now += seconds

    @precondition(lambda self: self.has_begun())
    @rule()
    def the_retention_time_passes(self) -> None:
        self.site.clock.now += RETENTION_S
        self.work(self.site.retention.tick())

    @precondition(lambda self: self.has_begun())
    @rule()
    def what_is_left_is_removed(self) -> None:
        self.work(self.site.retention.tick())

    # Kills

    @precondition(lambda self: self.has_begun())
    @rule()
    def kill(self) -> None:
        self.restart()

    @precondition(lambda self: self.has_begun())
    @rule(changes=st.integers(0, 25))
    def kill_at_a_later_change_of_its_files(self, changes: int) -> None:
        SWITCH.left = changes

    # The cluster

    @precondition(lambda self: self.cluster.late)
    @rule(number=NUMBERS)
    def a_request_is_executed_late(self, number: int) -> None:
        self.cluster.execute(self.cluster.late.pop(number % len(self.cluster.late)))

    @precondition(lambda self: self.waiting())
    @rule(number=NUMBERS)
    def a_job_starts(self, number: int) -> None:
        self.cluster.start(chosen(self.waiting(), number))

    @precondition(lambda self: self.programs())
    @rule(number=NUMBERS, is_success=st.booleans())
    def a_program_ends(self, number: int, is_success: bool) -> None:
        self.programs_ended += 1
        self.cluster.end_program(chosen(self.programs(), number), 0 if is_success else 9 + self.programs_ended)

    @precondition(lambda self: self.ending())
    @rule(number=NUMBERS)
    def a_job_ends(self, number: int) -> None:
        self.cluster.end_job(chosen(self.ending(), number))

    @precondition(lambda self: self.live())
    @rule(number=NUMBERS, state=st.sampled_from(ENDED_BY_SLURM))
    def slurm_ends_a_job(self, number: int, state: str) -> None:
        run = chosen(self.live(), number)
        run.was_killed = True
        self.cluster.end(run, state)

    @precondition(lambda self: self.over())
    @rule(number=NUMBERS)
    def the_controller_forgets_a_job(self, number: int) -> None:
        self.cluster.purge(chosen(self.over(), number))

    @precondition(lambda self: self.has_begun())
    @rule()
    def the_controller_loses_its_state(self) -> None:
        self.cluster.lose_state()

    @precondition(lambda self: self.has_begun())
    @rule(accounting=st.booleans(), files=st.booleans())
    def accounting_and_files_lag(self, accounting: bool, files: bool) -> None:
        self.cluster.accounting_lags, self.cluster.files_lag = accounting, files

    @precondition(lambda self: self.cluster.accounting_lags or self.cluster.files_lag)
    @rule()
    def accounting_and_files_catch_up(self) -> None:
        self.cluster.catch_up()

    # What must hold

    @invariant()
    def the_promise_holds(self) -> None:
        self.at_most_one_program_of_a_pod_was_ever_started()
        self.only_jobs_of_deleted_pods_were_ended_and_second_ones_that_ran_nothing()
        self.what_was_told_is_on_disk()
        self.what_is_shown_is_true_and_an_end_stays()
        self.secrets_go_with_the_end_and_with_the_record()

    def at_most_one_program_of_a_pod_was_ever_started(self) -> None:
        for told in self.told:
            assert len([run for run in self.runs(told.uid) if run.has_claim]) <= 1

    def only_jobs_of_deleted_pods_were_ended_and_second_ones_that_ran_nothing(self) -> None:
        for told in self.told:
            runs = self.runs(told.uid)
            for run in runs:
                is_second = not run.has_claim and len(runs) > 1
                assert not run.was_ended_by_us or told.is_delete_sent or is_second, run

    def what_was_told_is_on_disk(self) -> None:
        for number, told in enumerate(self.told):
            record = self.on_disk(told.uid)
            if record is None and told.record is not None and self.is_expired(told.record):
                self.told[number] = self.a_new_pod()
                continue
            told.record = record
            if told.job_id:
                assert record is not None
                assert record.job_id
                assert record.state is not State.INTENT
            if told.is_delete_answered:
                assert record is not None
                assert record.is_deleted
                assert self.cluster.submits[told.uid] == told.submits

    def what_is_shown_is_true_and_an_end_stays(self) -> None:
        for told in self.told:
            for status in self.site.table.statuses([a_pod(uid=told.uid)]):
                ((kind, detail),) = status.containers[0]["state"].items()
                if told.end:
                    assert status.containers == told.end
                elif kind == "terminated":
                    self.require_true_end(told, detail["exitCode"])
                    told.end = status.containers
                elif kind == "running":
                    assert any(run.has_claim for run in self.runs(told.uid))

    def secrets_go_with_the_end_and_with_the_record(self) -> None:
        for job in self.site.table.all():
            if job.record.is_over and not job.has_leftovers:
                assert not self.has_secrets(job.uid)
        for told in self.told:
            if self.on_disk(told.uid) is None:
                assert not self.has_secrets(told.uid)

    def require_true_end(self, told: Told, code: int) -> None:
        claimed = [run for run in self.runs(told.uid) if run.has_claim]
        own = {run.code for run in claimed if run.code is not None}
        assert code in own or code in CODES_OF_NOBODY
        if told.is_delete_sent:
            return
        for run in claimed:
            assert run.is_over or run.was_killed or run.code is not None, "it runs"
            assert run.code in (None, code) or run.was_killed or run.was_hidden, "its own code was lost"

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.require_a_good_end()
        finally:
            SWITCH.revive()
            self.site.pool.close()
            self.runner.close()
            self.files.cleanup()

    def require_a_good_end(self) -> None:
        """Faults are over, kubelets ask again, time passes: nothing is forgotten, nothing is left."""
        SWITCH.revive()
        self.calm_down()
        for told in self.told:
            job = self.site.job(told.uid)
            if job is None:
                continue
            assert not job.record.is_over or not self.has_secrets(told.uid)
            claimed = [run for run in self.runs(told.uid) if run.has_claim]
            live = [run for run in self.live() if run.uid == told.uid]
            if told.is_delete_answered:
                assert (job.record.state, live) == (State.DELETED, [])
                continue
            assert job.record.state is not State.INTENT
            if any(run in live for run in claimed):
                assert live == claimed
                assert job.record.state in (State.SUBMITTED, State.DELETING)
                assert told.is_delete_sent or job.record.job_id == claimed[0].job.job_id
            else:
                assert live == []
                assert job.record.is_over

    def calm_down(self) -> None:
        self.cluster.fate, self.cluster.is_down = "ok", False
        for hanging in list(self.cluster.hanging):
            hanging.fate.set_result("ok")
        self.work(self.settled())
        while self.cluster.late:
            self.cluster.execute(self.cluster.late.pop())
        self.cluster.catch_up()
        for _ in range(6):
            self.site.clock.now += GRACE_S + 1
            for run in self.waiting():
                self.cluster.start(run)
            for run in self.ending():
                self.cluster.end_job(run)
            for number, told in enumerate(self.told):
                job = self.site.job(told.uid)
                if job is not None and job.record.state is State.INTENT:
                    self.create(number, "ok")
            for part in (
                self.site.poller.look,
                self.site.keeper.tick,
                self.site.stopper.tick,
                self.site.retention.tick,
            ):
                self.work(part())
            self.what_is_shown_is_true_and_an_end_stays()

    # How

    def request(self, what: str, uid: str, work: Coroutine[Any, Any, Any]) -> None:
        self.requests.append(Request(what, uid, self.runner.get_loop().create_task(work)))
        self.work(self.settled())

    def work(self, work: Coroutine[Any, Any, Any]) -> None:
        """Let the sidecar do something, to the end or until it is killed."""
        try:
            self.runner.run(work)
        except Killed:
            self.restart()
            return
        if SWITCH.is_dead:
            self.restart()

    async def settled(self) -> None:
        """Until each request is answered, or waits for an sbatch that hangs."""

        def is_blocked(request: Request) -> bool:
            return any(
                hanging.submission.name == request.uid for hanging in self.cluster.hanging if not hanging.fate.done()
            )

        while any(not request.task.done() and not is_blocked(request) for request in self.requests):
            await asyncio.sleep(0)
        for request in [request for request in self.requests if request.task.done()]:
            self.requests.remove(request)
            self.note_answer(request)

    def note_answer(self, request: Request) -> None:
        told = next(told for told in self.told if told.uid == request.uid)
        try:
            answer = request.task.result()
        except DteError:
            return
        if request.what == "create":
            assert not told.is_delete_answered
            told.job_id = answer.job_id
        elif answer:
            told.is_delete_answered, told.submits = True, self.cluster.submits[told.uid]

    def restart(self) -> None:
        """Whatever it was about to change stays as it is; sbatch goes on without it."""
        SWITCH.left = 0
        self.cluster.late += [hanging.submission for hanging in self.cluster.hanging]
        self.runner.run(all_gone(request.task for request in self.requests))
        self.requests.clear()
        self.look = None
        self.site.pool.close()
        SWITCH.revive()
        self.site.restart()
        self.runner.run(self.site.table.load())

    def has_begun(self) -> bool:
        return bool(self.site.table.all() or self.cluster.runs)

    def on_disk(self, uid: str) -> Record | None:
        try:
            return decode_record((self.site.directory(uid) / "record.json").read_bytes())
        except FileNotFoundError:
            return None

    def is_expired(self, record: Record) -> bool:
        since = record.created_at if record.state is State.INTENT else record.deleted_at or record.ended_at
        is_droppable = record.is_over or record.state is State.INTENT
        return is_droppable and since is not None and self.site.clock.now - since > RETENTION_S

    def has_secrets(self, uid: str) -> bool:
        return any((self.site.directory(uid) / name).exists() for name in ("secrets", "spec.json"))

    def runs(self, uid: str) -> list[Run]:
        return [run for run in self.cluster.runs if run.uid == uid]

    def waiting(self) -> list[Run]:
        return [run for run in self.cluster.queued.values() if run.job.state == "PENDING"]

    def live(self) -> list[Run]:
        return [run for run in self.cluster.queued.values() if not run.is_over]

    def over(self) -> list[Run]:
        return [run for run in self.cluster.queued.values() if run.is_over]

    def programs(self) -> list[Run]:
        return [run for run in self.live() if run.has_claim and run.code is None]

    def ending(self) -> list[Run]:
        return [run for run in self.live() if run.has_claim and (run.code is not None or run.was_told_to_stop)]


def chosen(items: Sequence[Any], number: int) -> Any:
    return items[number % len(items)]


async def all_gone(requests: Iterable[asyncio.Task[Any]]) -> None:
    """As after a kill: nobody waits for anything any more."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, *requests, return_exceptions=True)


COMMON = settings(deadline=None, suppress_health_check=list(HealthCheck))
TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(COMMON, derandomize=True, database=None, max_examples=60, stateful_step_count=40)


@pytest.mark.slow
class TestAnyOrderForLong(AnyOrder.TestCase):
    settings = settings(COMMON, max_examples=3000, stateful_step_count=60, print_blob=True)
