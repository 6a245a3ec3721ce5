"""The stream of changes: every pod on record, and each change once."""

from collections.abc import Sequence

import pytest
from aiohttp.test_utils import TestClient, TestServer

from dte.interlink.sidecars.slurm.routes import routes
from dte.interlink.sidecars.slurm.sidecar import SlurmSidecar
from dte.interlink.watch.lines import GoneLine, Line, PodLine, SyncedLine
from dte.interlink.watch.reader import read_watch
from dte.runtime.errors import Refused
from tests.unit.interlink_slurm.fake_slurm import FakeSlurm, Fault
from tests.unit.interlink_slurm.pods import UID, a_create, a_pod, some_settings
from tests.unit.interlink_slurm.site import CREATOR, GRACE_S, RETENTION_S


def line_of(site, uid=UID) -> PodLine | None:
    return site.table.hub.get(uid)


def shown(site) -> str:
    """The kind of the first container's state, as the stream has it."""
    line = line_of(site)
    assert line is not None
    (kind,) = line.status.containers[0]["state"]
    return kind


async def test_a_pod_appears_with_its_job_id_owner_and_creator(site):
    await site.create()

    line = line_of(site)
    assert line is not None
    assert (line.status.job_id, line.owner, line.creator, line.deleted) == ("1", "ks/node", CREATOR, False)


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER, Refused("sbatch refused: Invalid account")])
async def test_a_submission_that_is_not_settled_is_not_shown(site, fault):
    site.batch.faults["submit"] = [fault]

    with pytest.raises(type(fault) if isinstance(fault, Refused) else Exception, match="sbatch|submit"):
        await site.create()

    assert site.table.hub.all() == ()


async def test_what_the_queue_and_the_jobs_files_say_is_told_at_once(site):
    await site.create()
    seen = [shown(site)]
    site.batch.move("1", "RUNNING")
    site.write_status(main=None)
    await site.keeper.tick()
    seen.append(shown(site))
    site.write_status(main=3, over=True)
    await site.keeper.tick()
    seen.append(shown(site))

    assert seen == ["waiting", "running", "terminated"]
    assert site.batch.called("queue") == []


async def test_the_stream_and_a_status_request_say_the_same(site):
    await site.create()
    for state in ("RUNNING", "COMPLETING", "FAILED"):
        site.batch.move("1", state)
        for _ in range(3):
            await site.round(GRACE_S / 2)
            site.table.publish_live()
            assert line_of(site).status == site.status()

    assert shown(site) == "terminated"


async def test_a_round_without_news_tells_nothing(site):
    await site.create()
    await site.round()
    before = line_of(site)

    await site.round()

    assert line_of(site) is before


async def test_a_deleted_pod_stays_with_its_state_until_its_job_is_over(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    site.write_status(main=None)
    await site.round()
    await site.stopper.delete(a_pod())
    assert (shown(site), line_of(site).deleted) == ("running", False)

    site.write_status(main=143, over=True)
    await site.keeper.tick()

    assert (shown(site), line_of(site).deleted) == ("terminated", True)


async def test_a_restart_brings_the_same_stream_back_tombstones_too(site):
    await site.create()
    site.write_status(main=3, over=True)
    await site.keeper.tick()
    await site.stopper.delete(a_pod())
    before = line_of(site)

    await site.start_again()

    after = line_of(site)
    assert (after.status, after.deleted, after.creator) == (before.status, True, CREATOR)


async def test_a_forgotten_pod_is_said_to_be_gone(site):
    await site.create()
    site.write_status(main=0, over=True)
    await site.keeper.tick()
    with site.table.hub.reader() as reader:
        await reader.lines()
        await site.round(RETENTION_S + 1)

        assert [type(line) for line in await reader.lines()] == [GoneLine]


async def test_over_http_the_state_comes_first_then_changes(tmp_path):
    sidecar = SlurmSidecar(some_settings(tmp_path / "jobs"), FakeSlurm())
    async with sidecar.owning(), TestClient(TestServer(routes(sidecar))) as client:
        await sidecar.create(a_create(), owner_id="ks/node", creator=CREATOR)
        async with client.get("/watch") as response:
            batches = read_watch(response.content.iter_any())
            first = await _until(batches, lambda line: isinstance(line, SyncedLine))
            await sidecar.delete(a_pod(), owner_id="ks/node", creator=CREATOR)
            await sidecar.poller.look()
            await sidecar.keeper.tick()
            (*_, change) = await _until(batches, lambda line: isinstance(line, PodLine) and line.deleted)

    assert [type(line) for line in first] == [PodLine, SyncedLine]
    assert (change.uid, change.owner, change.creator) == (UID, "ks/node", CREATOR)


async def _until(batches, is_last) -> Sequence[Line]:
    lines: list[Line] = []
    while not any(is_last(line) for line in lines):
        lines += await anext(batches)
    return lines
