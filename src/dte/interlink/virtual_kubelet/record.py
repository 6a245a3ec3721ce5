"""What is known of one pod, from the cluster and from its site."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from dte.interlink import pods
from dte.interlink.virtual_kubelet import pod_status
from dte.interlink.virtual_kubelet.kept import kept
from dte.interlink.virtual_kubelet.pod_status import Moment, Status
from dte.interlink.virtual_kubelet.status_change import JOB_ID_ANNOTATION, Change, change, wording_due_at
from dte.interlink.virtual_kubelet.steps import Facts, Remote
from dte.interlink.virtual_kubelet.tolerations import KEEP, Wish, wanted_tolerations
from dte.interlink.wire import PodStatus

UNNAMED_JOB = "unknown"
"""JobID of an adopted pod whose site does not say the job's id, as upstream's Slurm plugin does not."""


@dataclass(slots=True)
class PodRecord:
    """Changed by the watch, the status round and the pod's worker, all on one event loop; `changed` wakes the worker.

    `shown` is the status that the cluster shows as far as we know, `wanted` the one that it should.
    """

    pod: pods.Pod
    predates_us: bool
    shown: Status = field(init=False)
    wanted: Status = field(init=False)
    may_have_job: bool = field(init=False)
    job_id: str | None = field(init=False)
    """None: no job as far as we know."""
    is_job_id_saved: bool = field(init=False)
    is_gone: bool = False
    is_missed: bool = False
    outage_toleration: Wish = KEEP
    wanted_tolerations: list[dict[str, Any]] | None = field(init=False)
    """What the pod's should be; None when they are right."""
    is_refused: bool = False
    is_stop_accepted: bool = False
    is_removal_sent: bool = False
    remote: Remote = Remote.UNASKED
    is_job_over: bool = False
    """The site says so: deleted there, and over."""
    last_report: PodStatus | None = None
    lines_told: int = 0
    """Of the stream of changes: an answer to a question asked before the last of them is old."""
    writes: int = 0
    wordings_written: int = 0
    last_write_at: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.shown = self.wanted = pods.status(self.pod)
        self.job_id = pods.annotations(self.pod).get(JOB_ID_ANNOTATION)
        self.is_job_id_saved = self.job_id is not None
        self.wanted_tolerations = wanted_tolerations(self.pod, self.outage_toleration)
        # A create may have been in flight when the one before us ended.
        self.may_have_job = self.predates_us or self.job_id is not None
        self._slim_down()

    @property
    def uid(self) -> str:
        return pods.pod_uid(self.pod)

    @property
    def is_terminal(self) -> bool:
        """The cluster shows Succeeded or Failed."""
        return pod_status.is_terminal(self.shown)

    @property
    def awaits_status(self) -> bool:
        """The status round should ask for it: it has a job whose end we do not know."""
        has_job = self.job_id is not None and not self.is_stop_accepted
        return has_job and not self.is_gone and not pod_status.is_terminal(self.wanted)

    def facts(self, now: float) -> Facts:
        """For the decision what to do next; `now` in Unix seconds."""
        return Facts(
            is_gone=self.is_gone,
            is_deleting=pods.is_being_deleted(self.pod),
            is_terminal=self.is_terminal,
            has_job=self.job_id is not None,
            may_have_job=self.may_have_job,
            predates_us=self.predates_us,
            is_refused=self.is_refused,
            is_stop_accepted=self.is_stop_accepted,
            is_removal_sent=self.is_removal_sent or pods.metadata(self.pod).get("deletionGracePeriodSeconds") == 0,
            remote=self.remote,
            is_status_due=self._is_status_due(now),
            is_toleration_due=self.wanted_tolerations is not None,
            is_missed=self.is_missed,
        )

    def _is_status_due(self, now: float) -> bool:
        due_at = self.status_due_at()
        return due_at is not None and now >= due_at

    def status_due_at(self) -> float | None:
        """When the wanted status may be written; None when the cluster shows it already, or an end, which is final."""
        if self.is_terminal:
            return None
        if self.job_id is not None and not self.is_job_id_saved:
            return 0.0
        match change(self.shown, self.wanted):
            case Change.NONE:
                return None
            case Change.STATE:
                return 0.0
            case Change.WORDING:
                return wording_due_at(self.last_write_at, self.wordings_written)

    # What happened

    def saw(self, pod: pods.Pod) -> None:
        """The watch showed the object as it is now."""
        was_terminal = self.is_terminal
        self.pod = pod
        # Once they are right, what somebody makes of them later is his to say; and news from before our write is old.
        if self.wanted_tolerations is not None:
            self.wanted_tolerations = wanted_tolerations(pod, self.outage_toleration)
        self._slim_down()
        # Somebody else may end a pod (the garbage collector of terminated pods, an administrator); never back.
        if pods.is_terminal(pod) and not was_terminal:
            self.shown = self.wanted = pods.status(pod)
        self.changed.set()

    def vanished(self) -> None:
        self.is_gone = True
        self.changed.set()

    def missed(self) -> None:
        """A complete list lacks the pod."""
        self.is_missed = True
        self.changed.set()

    def found(self, pod: pods.Pod) -> None:
        """The list was wrong."""
        self.is_missed = False
        self.saw(pod)

    def let_go(self) -> None:
        """Believe neither that the pod is there nor that it is gone: whether its job may go is the sweep's to say."""
        self.may_have_job = False
        self.vanished()

    def submitted(self, job_id: str, moment: Moment) -> None:
        """The site queued the pod's job."""
        if self.job_id is None:
            self.wanted = pod_status.submitted(self.pod, self.shown, moment)
        # Else the stream of changes was faster than the answer, and knows more.
        self.job_id = job_id

    def refused(self, words: str, moment: Moment) -> None:
        """The site, or we, said that the pod will never run."""
        self.is_refused = True
        self.wanted = pod_status.refused(self.pod, self.shown, words, moment)

    def heard(self, report: PodStatus, moment: Moment) -> None:
        """The site told the pod's state."""
        if report == self.last_report and self.remote is not Remote.UNASKED:
            return
        if not (report.containers or report.init_containers):
            return  # no word on anything
        self.last_report = report
        if self.job_id is None:
            self.job_id = report.job_id or UNNAMED_JOB
            self.wanted = pod_status.submitted(self.pod, self.shown, moment)
        self.wanted = pod_status.reported(self.pod, self.wanted, report, moment)
        # An end is final: an answer that overtook it on the way is old.
        self.remote = Remote.ENDED if pod_status.is_terminal(self.wanted) else Remote.ALIVE
        self.changed.set()

    def told(self, report: PodStatus, moment: Moment) -> None:
        """The site's stream of changes told the pod's state."""
        self.lines_told += 1
        self.heard(report, moment)

    def job_over(self, moment: Moment) -> None:
        """The site says that it deleted the job and that it is over; whatever else it told, nothing runs."""
        self.is_job_over = True
        if self.remote is not Remote.ENDED:
            self.remote = Remote.ABSENT
            self.stopped_unseen(moment)
        self.changed.set()

    def stop_accepted(self) -> None:
        """The site confirmed the delete; what it said of the pod before no longer counts, unless it was the end."""
        self.is_stop_accepted = True
        if self.remote is not Remote.ENDED and not self.is_job_over:
            self.remote = Remote.UNASKED

    def stopped_unseen(self, moment: Moment) -> None:
        """The pod was deleted, and how it ended is not known; an end that is known stays."""
        if not pod_status.is_terminal(self.wanted):
            self.wanted = pod_status.stopped(self.pod, self.wanted, moment)

    def written(self, now: float, status: Status) -> None:
        """The cluster took `status`, which was the wanted one when it was sent."""
        if change(self.shown, status) is Change.WORDING:
            self.wordings_written += 1
        self.shown = status
        self.is_job_id_saved = self.job_id is not None
        self.last_write_at = now
        self.writes += 1
        self._slim_down()

    def tolerations_written(self) -> None:
        """The cluster took the wanted ones."""
        self.wanted_tolerations = None
        self.writes += 1

    def _slim_down(self) -> None:
        # Nobody creates a pod any more that has a job or an end.
        if self.is_job_id_saved or self.is_terminal:
            self.pod = kept(self.pod)
