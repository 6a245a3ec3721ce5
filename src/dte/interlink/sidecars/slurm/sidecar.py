"""The sidecar put together: table, loops and the batch system behind them."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
from collections.abc import AsyncIterator, Sequence

import structlog

from dte.interlink import pods
from dte.interlink.jobs.logs import open_log
from dte.interlink.watch.hub import WatchHub
from dte.interlink.wire import CreateAnswer, Creator, LogRequest, Ping, PluginCreate, PodStatus
from dte.runtime.errors import NotFound, Unavailable
from dte.runtime.files import FilePool
from dte.runtime.process_identity import ProcessIdentity
from dte.runtime.unfinished import Unfinished

from .batch import BatchSystem
from .capacity import Capacity
from .drain import DrainFile
from .keeper import Keeper
from .notice_watch import FileEvents, NoticeWatch
from .owner import release_root, take_root
from .poll import Poller
from .retention import Retention
from .settings import SlurmSettings
from .stop import Stopper
from .store import RecordStore
from .submit import Submitter
from .table import JobTable

log = structlog.get_logger()

SECONDS_PER_DAY = 86400
GIB = 1 << 30
RELEASE_LIMIT_S = 3.0
ROOT_RETRY_S = 5.0


class SlurmSidecar:
    """Pods of one local account as Slurm jobs. Make it, enter `owning()`, then run the loops and serve requests."""

    def __init__(self, settings: SlurmSettings, batch: BatchSystem) -> None:
        self.settings = settings
        self._pool = FilePool(timeout_s=settings.file_timeout_s)
        self.store = RecordStore(settings.data_root_folder, self._pool, adopted=settings.adopted)
        self.table = JobTable(self.store, status_file_grace_s=settings.status_file_grace_s)
        self.keeper = Keeper(self.table)
        self.retention = Retention(
            self.table,
            keep_s=settings.retention_days * SECONDS_PER_DAY,
            keep_bytes=int(settings.retention_gib * GIB) or None,
        )
        self.notices = NoticeWatch(
            settings.data_root_folder, self._pool, self.keeper, mode=FileEvents(settings.file_events)
        )
        self.poller = Poller(self.table, self.keeper, batch, interval_s=settings.poll_interval_s)
        self.stopper = Stopper(self.table, self.poller, batch)
        drains = DrainFile(settings.drain_file, getpass.getuser(), self._pool)
        self._submitter = Submitter(settings, self.table, self.poller, batch, drains)
        self._capacity = Capacity(settings, batch, drains)
        self._unfinished = Unfinished()

    @property
    def hub(self) -> WatchHub:
        """The state of every pod on record, and every change of it."""
        return self.table.hub

    @contextlib.asynccontextmanager
    async def owning(self) -> AsyncIterator[None]:
        """Own the job root, with the records loaded.

        Waits for a root that is not mounted. Raises ConfigError when another sidecar owns it, Unavailable when the
        mount hangs while the records are read.
        """
        root = self.settings.data_root_folder
        self.store.owner = me = await self._taken_root()
        try:
            await self.table.load()
            yield
        finally:
            # After a fault, too: the next owner must find the id of a job that is being submitted.
            await self._unfinished.settled()
            await self._capacity.close()
            with contextlib.suppress(TimeoutError, Unavailable):  # on a mount that hangs: the next start finds us dead
                async with asyncio.timeout(RELEASE_LIMIT_S):
                    await self._pool.run(release_root, root, me)
            self._pool.close()

    async def _taken_root(self) -> ProcessIdentity:
        """The root is this process's; waits for one that is not there yet."""
        told = ""
        while True:
            try:
                return await self._pool.run(take_root, self.settings.data_root_folder)
            except Unavailable as e:
                if str(e) != told:
                    log.warning("job_root_not_there", error=str(e), retry_in_s=ROOT_RETRY_S)
                told = str(e)
                await asyncio.sleep(ROOT_RETRY_S)

    async def create(self, request: PluginCreate, *, owner_id: str, creator: Creator | None) -> CreateAnswer:
        """See Submitter.create."""
        # To the end: a job id that sbatch printed must reach the record.
        return await self._unfinished.run(self._submitter.create(request, owner_id=owner_id, creator=creator))

    async def delete(self, pod: pods.Pod, *, owner_id: str = "", creator: Creator | None = None) -> None:
        """See Stopper.delete."""
        await self._unfinished.run(self.stopper.delete(pod, owner_id=owner_id, creator=creator))

    def statuses(self, requested: Sequence[pods.Pod]) -> list[PodStatus]:
        """See JobTable.statuses."""
        return self.table.statuses(requested)

    async def ping(self, node_name: str) -> Ping:
        """See Capacity.ping."""
        return await self._capacity.ping(node_name)

    async def log(self, request: LogRequest) -> AsyncIterator[bytes]:
        """The log of a container. Raises NotFound for a pod that is not known, or deleted, or in another namespace."""
        job = self.table.get(request.pod_uid)
        if job is None or job.record.namespace != request.namespace:
            raise NotFound(f"no pod {request.namespace}/{request.pod_uid} here")
        directory = self.store.directory(job.record)
        return await open_log(directory, request, pool=self._pool, is_terminal=lambda: job.record.is_over)

    def readiness(self) -> str | None:
        """None when it serves fresh states, else why not."""
        return self.poller.readiness()
