"""One pod's job in memory: its record, and what was last seen of it. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass

from dte.interlink.jobs.status import JobStatus
from dte.interlink.wire import PodStatus

from .evidence import Evidence, Findings, find, find_open
from .life import State
from .parse import QueueJob
from .record import Maker, Record
from .states import Phase, is_final, phase_of


@dataclass(slots=True)
class Job:
    """State that lives as long as the sidecar. Times are of this process's monotonic clock."""

    record: Record
    known_since: float
    """When its job id became known: an older look at the queue says nothing about it."""
    files: JobStatus | None = None
    files_changed_at: float = 0.0
    """When a change of its status file was last noticed: older looks at the queue are void."""
    files_read_at: float = 0.0
    """When its status file was last looked for, found or not."""
    queue: QueueJob | None = None
    queue_seen_at: float = 0.0
    """When the look began that `queue` comes from."""
    phase_since: float = 0.0
    """Since when the queue shows its present phase."""
    missing_since: float | None = None
    """Since when neither queue nor accounting list it; None while one does."""
    stop_sent_at: float | None = None
    """When its script was told to end; None: not yet, or not accepted."""
    stop_is_under_way: bool = False
    """A command that ends it is running."""
    next_stop_at: float = 0.0
    """Not before then is the next try to end it."""
    has_leftovers: bool = False
    """It is over, and files that should then go (secrets, tokens) may still be there."""
    size_bytes: int | None = None
    """What the directory of the finished job takes; None: not measured."""
    is_rename_told: bool = False
    """The log has it that the job runs under another name."""
    tidying_failed_at: float = 0.0
    """When files of it could not be removed, but in Unix seconds; 0: never."""

    @property
    def uid(self) -> str:
        """The pod's UID."""
        return self.record.pod_uid

    @property
    def queue_name(self) -> str:
        """The name of its job: the pod's UID, unless the site's submit plugin gave it another."""
        return self.queue.name if self.queue is not None else self.uid

    @property
    def is_shown(self) -> bool:
        """Whether its state is told: while its submission is not settled nobody was told that there is a job."""
        return self.record.state is not State.INTENT

    @property
    def is_requeued(self) -> bool:
        """Whether it waits in the queue again although it ran: put back by the site, under the same id.

        The look must have begun after its files last changed: then the controller knew that it had started.
        """
        if self.files is None or self.files.finished_at is not None or self.queue is None:
            return False
        return phase_of(self.queue.state) is Phase.WAITING and self.queue_seen_at > self.files_changed_at

    @property
    def current_files(self) -> JobStatus | None:
        """What its files say of the run that is under way or was the last; None: nothing yet."""
        return None if self.is_requeued else self.files

    def see_files(self, files: JobStatus | None, now: float) -> None:
        """Take note of the status file as read at `now`; None: there is none."""
        if files is not None and files != self.files:
            self.files = files
            self.files_changed_at = now
        self.files_read_at = now

    def see_queue(self, queue: QueueJob, now: float) -> None:
        """Take note of what a look at the queue or at accounting, begun at `now`, said."""
        if self.queue is None or phase_of(self.queue.state) is not phase_of(queue.state):
            self.phase_since = now
        self.queue = queue
        self.queue_seen_at = now
        self.missing_since = None

    def miss(self, now: float) -> None:
        """Take note that neither queue nor accounting list it, as of a look begun at `now`."""
        if self.missing_since is None:
            self.missing_since = now

    def may_use_snapshot(self, begun_at: float) -> bool:
        """Whether a look at the queue that began then can say anything new about this job."""
        return begun_at >= self.known_since and begun_at >= self.files_changed_at

    def is_file_behind(self) -> bool:
        """Whether the queue is further than the status file, so that the file should be looked at again."""
        if self.missing_since is not None:
            return True
        if self.queue is None:
            return False
        phase = phase_of(self.queue.state)
        if phase is Phase.RUNNING:
            return self.files is None or self.record.made_by is Maker.UPSTREAM  # it leaves no notices
        return phase in {Phase.COMPLETED, Phase.FAILED}

    def evidence(self, now: float, *, grace_s: float) -> Evidence:
        """What is known of it; `grace_s`: how long its files may lag behind."""
        deleting = self.record.state is State.DELETING
        final = self.queue is not None and is_final(self.queue.state)
        # Who deletes a pod does not read its files any more: one look after the end is enough.
        grace_s = 0.0 if deleting and final else grace_s
        lost_since = self.missing_since
        return Evidence(
            files=self.current_files,
            queue=self.queue,
            is_queue_trusted=self._had_time(self.phase_since, now, grace_s),
            is_lost=lost_since is not None and self._had_time(lost_since, now, grace_s),
            may_be_explained=now - self.files_changed_at < grace_s,
        )

    def findings(self, now: float, *, grace_s: float) -> Findings:
        """The states of its containers, and whether it is over."""
        return find(self.record, self.evidence(now, grace_s=grace_s))

    def pod_status(self, now: float, *, grace_s: float) -> PodStatus:
        """Its answer to a status request."""
        record = self.record
        if record.is_over:
            containers, init_containers = record.final, record.init_final
        else:
            findings = find_open(record, self.evidence(now, grace_s=grace_s))
            containers, init_containers = findings.containers, findings.init_containers
        return PodStatus(
            name=record.pod_name,
            uid=record.pod_uid,
            namespace=record.namespace,
            job_id=record.job_id,
            containers=containers,
            init_containers=init_containers,
        )

    def _had_time(self, since: float, now: float, grace_s: float) -> bool:
        """Whether the files had `grace_s` since then to arrive, and were looked for after that started.

        A hung mount therefore never lets the queue win: the last state stays.
        """
        return now - since >= grace_s and self.files_read_at >= since
