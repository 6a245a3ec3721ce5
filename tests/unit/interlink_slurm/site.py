"""A sidecar on a temporary job root and a FakeSlurm, its loops turned by hand, its clock moved by the test."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from dte.interlink.sidecars.slurm.drain import DrainFile
from dte.interlink.sidecars.slurm.keeper import Keeper
from dte.interlink.sidecars.slurm.poll import Poller
from dte.interlink.sidecars.slurm.retention import Retention
from dte.interlink.sidecars.slurm.stop import Stopper
from dte.interlink.sidecars.slurm.store import RecordStore
from dte.interlink.sidecars.slurm.submit import Submitter
from dte.interlink.sidecars.slurm.table import JobTable
from dte.interlink.wire import Creator
from dte.runtime.files import FilePool
from tests.unit.interlink_slurm.fake_slurm import FakeSlurm
from tests.unit.interlink_slurm.pods import UID, a_create, a_pod, some_settings

CREATOR = Creator("CN=ca", "CN=vk")
GRACE_S = 60.0
RETENTION_S = 7 * 86400.0


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    root: Path
    batch: FakeSlurm
    clock: Clock
    keys: dict = field(default_factory=dict)
    keep_bytes: int | None = None

    def __post_init__(self):
        self.restart()

    def restart(self):
        """As after a kill: nothing is kept but the files."""
        settings = some_settings(self.root, **self.keys)
        self.pool = FilePool(workers=2, timeout_s=10)
        self.store = RecordStore(self.root, self.pool)
        self.table = JobTable(self.store, status_file_grace_s=GRACE_S, clock=self.clock, wall_clock=self.clock)
        self.keeper = Keeper(self.table)
        self.retention = Retention(self.table, keep_s=RETENTION_S, keep_bytes=self.keep_bytes)
        self.poller = Poller(self.table, self.keeper, self.batch, interval_s=5)
        self.stopper = Stopper(self.table, self.poller, self.batch)
        drains = DrainFile(self.root / "drain.json", "twin01", self.pool)
        self.submitter = Submitter(settings, self.table, self.poller, self.batch, drains)

    async def start_again(self):
        self.pool.close()
        self.restart()
        await self.table.load()

    async def create(self, pod=None, creator=CREATOR):
        return await self.submitter.create(a_create(pod), owner_id="ks/node", creator=creator)

    async def round(self, seconds: float = 5.0):
        """Time passes; then a look at the queue and a round of the keeper."""
        self.clock.now += seconds
        await self.poller.look()
        await self.keeper.tick()
        await self.stopper.tick()
        await self.retention.tick()

    def job(self, uid=UID):
        return self.table.get(uid)

    def directory(self, uid=UID) -> Path:
        return self.root / f"default-{uid}"

    def write_status(self, job_id="1", uid=UID, *, over=False, **codes):
        """What the supervisor does: write the status, then leave a notice. A code of None: running."""
        containers = {
            name: {"kind": "main", "state": "running", "started_at": "2026-01-01T00:00:00Z"}
            if code is None
            else {"kind": "main", "state": "terminated", "exit_code": code}
            for name, code in codes.items()
        }
        self._write_status(containers, job_id=job_id, uid=uid, over=over)

    def write_stopped(self, job_id="1", uid=UID):
        """What the supervisor writes of a program that ended when its job was told to."""
        end = {"exit_code": 143, "reason": "Stopped", "started_at": "2026-01-01T00:00:00Z"}
        self._write_status({"main": {"kind": "main", "state": "terminated", **end}}, job_id=job_id, uid=uid, over=True)

    def _write_status(self, containers, *, job_id, uid, over):
        status = {"schema": 1, "job_id": job_id, "host": "n1", "containers": containers}
        status |= {"started_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:01:00Z" if over else None}
        (self.directory(uid) / "status.json").write_text(json.dumps(status))
        notices = self.root / ".notices"
        notices.mkdir(exist_ok=True)
        (notices / uid).touch()

    def status(self, uid=UID):
        """The answer to a status request for one pod; None when it is left out."""
        answers = self.table.statuses([a_pod(uid=uid)])
        return answers[0] if answers else None

    def state(self, uid=UID):
        """The one state of the first container."""
        ((name, detail),) = self.status(uid).containers[0]["state"].items()
        return name, detail
