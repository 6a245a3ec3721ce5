"""One pod from first sight to forgotten: takes the steps that `steps.next_step` decides, one after the other."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from dte.interlink import pods
from dte.interlink.virtual_kubelet import metrics
from dte.interlink.virtual_kubelet.downward import Place
from dte.interlink.virtual_kubelet.events import EventRecorder
from dte.interlink.virtual_kubelet.mirror import Mirror
from dte.interlink.virtual_kubelet.notes import Note, NotYet
from dte.interlink.virtual_kubelet.pod_status import Moment
from dte.interlink.virtual_kubelet.ports import ObjectSource, PodStore, Site, SiteUnavailable
from dte.interlink.virtual_kubelet.record import PodRecord
from dte.interlink.virtual_kubelet.request import Prepared, prepare
from dte.interlink.virtual_kubelet.settings import VirtualKubeletSettings
from dte.interlink.virtual_kubelet.status_change import status_patch
from dte.interlink.virtual_kubelet.steps import Remote, Step, next_step
from dte.interlink.virtual_kubelet.sweep import SweepHold
from dte.interlink.virtual_kubelet.times import Clock, kube_time
from dte.runtime.backoff import Backoff
from dte.runtime.errors import Conflict, DteError, NotFound, Refused, Unavailable

log = structlog.get_logger()

END_POLL_S = 0.5
"""Between two questions whether a deleted job is over: a pod that ends on TERM is gone within a second or so."""
END_POLL_MAX_S = 5.0
END_CHECK_S = 30.0
"""The same where the stream of changes will say it: only for the case that it was said before we listened."""
RETRY = Backoff()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all workers share."""

    pods: PodStore
    objects: ObjectSource
    site: Site
    events: EventRecorder
    clock: Clock
    settings: VirtualKubeletSettings
    place: Callable[[], Place]
    """The node's addresses and what it can give now."""
    creates: asyncio.Semaphore
    """Bounds what is prepared and sent at once; a hung create holds its place, so ends have places of their own."""
    ends: asyncio.Semaphore
    chance: Callable[[], float] = field(default=random.random)
    mirror: Mirror = field(default_factory=Mirror)
    """What the site says that it has."""
    hold: SweepHold = field(default_factory=SweepHold)

    def moment(self) -> Moment:
        place = self.place()
        return Moment(now=kube_time(self.clock.time()), host_ip=place.host_ip, pod_ip=place.pod_ip)


class PodWorker:
    """Sequential: no two requests for one pod are ever in flight, so a delete never overtakes a create."""

    def __init__(self, record: PodRecord, around: Surroundings) -> None:
        self._record = record
        self._around = around
        self._end_polls = 0
        self._untold: Sequence[Note] = ()
        """Told once the job's id is safe in the cluster."""
        self._log = log.bind(pod_uid=record.uid, pod=f"{pods.namespace(record.pod)}/{pods.name(record.pod)}")
        self._acts: Mapping[Step, Callable[[], Awaitable[None]]] = {
            Step.CONFIRM: self._confirm,
            Step.LOOK_UP: self._look_up,
            Step.CREATE: self._create,
            Step.REPORT: self._report,
            Step.TOLERATE: self._tolerate,
            Step.STOP: self._stop,
            Step.AWAIT_END: self._await_end,
            Step.REPORT_END: self._report_end,
            Step.REMOVE: self._remove,
            Step.WAIT: self._wait,
        }

    async def run(self) -> None:
        """Returns when the pod is gone from the cluster and stopped at the site."""
        failures = 0
        while (step := self._next()) is not Step.FORGET:
            try:
                await self._acts[step]()
                failures = 0
            except DteError as error:
                failures += 1
                await self._back_off(step, error, failures)
            except Exception as error:  # noqa: BLE001 - one pod that we cannot handle must not stop the others
                self._log.exception("worker_failed", step=step.value, error=str(error))
                failures += 1
                await self._back_off(step, Unavailable("an error of the virtual kubelet; see its log"), failures)
        self._around.events.forget(self._record.uid)
        metrics.WRITES_PER_POD.observe(self._record.writes)

    def _next(self) -> Step:
        return next_step(self._record.facts(self._around.clock.time()))

    async def _wait(self) -> None:
        due_at = self._record.status_due_at()
        timeout_s = None if due_at is None else max(due_at - self._around.clock.time(), 0.0)
        await self._sleep(timeout_s)

    async def _sleep(self, timeout_s: float | None) -> None:
        self._record.changed.clear()
        await self._around.clock.wait(self._record.changed, timeout_s)

    async def _back_off(self, step: Step, error: DteError, failures: int) -> None:
        """Wait for the next try, unless the pod's news ask for another step meanwhile."""
        metrics.STEP_FAILURES.labels(step.value).inc()
        retry_after_s = error.retry_after_s if isinstance(error, SiteUnavailable) else None
        delay_s = RETRY.delay_s(failures, self._around.chance(), retry_after_s)
        if failures == 1:
            self._log.warning("step_failed", step=step.value, error=str(error), retry_in_s=round(delay_s, 1))
        await self._tell(step, error)
        if failures == 1 and step in (Step.LOOK_UP, Step.CREATE):
            await self._tolerate_early()
        until = self._around.clock.time() + delay_s
        while (left := until - self._around.clock.time()) > 0 and self._next() is step:
            await self._sleep(left)

    async def _tell(self, step: Step, error: DteError) -> None:
        """An event for what keeps a person waiting."""
        if isinstance(error, NotYet):
            await self._event(error.note)
        elif step in _TELLING:
            reason, text = _TELLING[step]
            await self._event(Note(reason, f"{text}: {error}"))

    async def _event(self, note: Note) -> None:
        self._record.writes += await self._around.events.record(self._record.pod, note)

    # Steps

    async def _look_up(self) -> None:
        record = self._record
        found = await self._ask()
        if found:
            self._log.info("pod_adopted", job_id=record.job_id)
        else:
            record.remote = Remote.ABSENT

    async def _ask(self) -> bool:
        """Ask the site for this pod alone; False when it does not know it."""
        record = self._record
        async with self._around.ends:
            lines_before = record.lines_told
            answer = await self._around.site.statuses([record.pod])
        if record.lines_told != lines_before:
            return True  # the stream of changes spoke meanwhile, and knows better
        for status in answer.statuses:
            # One without any container is how some plugins answer for a pod that they do not know.
            if status.uid == record.uid and (status.containers or status.init_containers):
                record.heard(status, self._around.moment())
                return True
        if not answer.is_complete:
            raise SiteUnavailable("a part of the site gives no answer, so it is not known whether it has the pod's job")
        return False

    async def _create(self) -> None:
        async with self._around.creates:
            if self._next() is not Step.CREATE:
                return  # deleted while it stood in line
            try:
                await self._submit(await self._prepared())
            except NotFound as error:
                # Not the site's word: the cluster lost an object between two requests.
                raise Unavailable(str(error)) from error
            except Refused as error:
                await self._refused(str(error))

    async def _prepared(self) -> Prepared:
        around = self._around
        return await prepare(self._record.pod, around.objects, around.settings, around.place())

    async def _submit(self, prepared: Prepared) -> None:
        if self._next() is not Step.CREATE:
            return  # deleted meanwhile
        self._record.may_have_job = True  # even if the answer is lost
        try:
            answer = await self._around.site.create(prepared.request)
        except Unavailable:
            metrics.CREATES.labels("again").inc()
            raise
        metrics.CREATES.labels("accepted").inc()
        self._log.info("pod_submitted", job_id=answer.job_id)
        self._record.submitted(answer.job_id, self._around.moment())
        self._untold = merged(prepared.notes, answer.warnings)

    async def _refused(self, words: str) -> None:
        metrics.CREATES.labels("refused").inc()
        self._log.warning("pod_refused", words=words)
        self._record.refused(words, self._around.moment())
        await self._event(Note("ProviderFailed", words))

    async def _report(self) -> None:
        record = self._record
        job_id = None if record.is_job_id_saved else record.job_id
        wanted = record.wanted
        try:
            await self._around.pods.patch_pod_status(record.pod, status_patch(record.pod, wanted, job_id))
        except (NotFound, Conflict):
            await self._confirm_gone()
            return
        record.written(self._around.clock.time(), wanted)
        self._log.info("status_written", phase=wanted.get("phase"), reason=wanted.get("reason"))
        untold, self._untold = self._untold, ()
        for note in untold:
            await self._event(note)

    async def _tolerate(self) -> None:
        record = self._record
        wanted = record.wanted_tolerations
        assert wanted is not None, "the step is taken only while they are due"
        try:
            await self._around.pods.set_tolerations(record.pod, wanted)
        except (NotFound, Conflict):
            await self._confirm_gone()
            return
        except Refused as error:
            # Somebody changed them since we saw the pod: the watch brings the new ones.
            raise Unavailable(f"the pod's tolerations are not taken: {error}") from error
        record.tolerations_written()

    async def _tolerate_early(self) -> None:
        """A pod that must wait for its job must outlast an outage too; if it cannot be changed now, then later."""
        if self._record.wanted_tolerations is not None:
            with contextlib.suppress(DteError):
                await self._tolerate()

    async def _confirm(self) -> None:
        """Believe that the pod is gone only when a direct look agrees."""
        record = self._record
        there = await self._around.pods.get_pod(pods.namespace(record.pod), pods.name(record.pod))
        if there is None or pods.pod_uid(there) != record.uid:
            record.vanished()
        else:
            record.found(there)

    async def _confirm_gone(self) -> None:
        """The API server says that this is not our pod any more."""
        await self._confirm()
        if not self._record.is_gone:
            raise Unavailable("the API server refused a status, yet shows the pod; trying again")

    async def _stop(self) -> None:
        try:
            async with self._around.ends:
                await self._around.site.delete(self._record.pod)
        except Refused as error:
            # The site must not keep a pod for ever because it cannot be asked nicely.
            metrics.DELETES.labels("refused").inc()
            raise Unavailable(f"the site refused the delete: {error}") from error
        except Unavailable:
            metrics.DELETES.labels("again").inc()
            raise
        metrics.DELETES.labels("accepted").inc()
        self._record.stop_accepted()
        self._around.mirror.stopping(self._record.uid, self._around.clock.monotonic())

    async def _await_end(self) -> None:
        record = self._record
        if self._around.mirror.tells(record.uid):
            await self._sleep(END_CHECK_S)
            if self._next() is not Step.AWAIT_END:
                return
        if not await self._ask():
            record.remote = Remote.ABSENT
        elif record.remote is Remote.ALIVE and not self._around.mirror.tells(record.uid):
            self._end_polls += 1
            # Ten quick looks, then slower: a grace period may last for minutes.
            delay_s = END_POLL_S if self._end_polls <= 10 else END_POLL_MAX_S
            await self._around.clock.wait(asyncio.Event(), delay_s)

    async def _report_end(self) -> None:
        self._record.stopped_unseen(self._around.moment())
        await self._report()

    async def _remove(self) -> None:
        await self._around.pods.remove_pod(self._record.pod)
        self._record.writes += 1
        self._record.is_removal_sent = True


_TELLING: Mapping[Step, tuple[str, str]] = {
    Step.LOOK_UP: ("CreateDelayed", "the pod has no job yet"),
    Step.CREATE: ("CreateDelayed", "the pod has no job yet"),
    Step.STOP: ("DeleteDelayed", "the pod's job may still run; the delete is repeated until the site confirms it"),
    Step.AWAIT_END: ("DeleteDelayed", "the site does not say whether the job is over"),
}

IMAGE_WORD = "image"


def merged(notes: Sequence[Note], warnings: Sequence[str]) -> list[Note]:
    """Notes of ours and warnings of the site with one event for each reason: every event is a write to the API."""
    texts: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        texts.setdefault((note.reason, note.type), []).append(note.message)
    for warning in warnings:
        is_image = IMAGE_WORD in warning.lower()
        key = ("ImageIgnored", "Normal") if is_image else ("FieldIgnored", "Warning")
        texts.setdefault(key, []).append(warning)
    return [
        Note(reason, "; ".join(dict.fromkeys(messages)), "Normal" if kind == "Normal" else "Warning")
        for (reason, kind), messages in texts.items()
    ]
