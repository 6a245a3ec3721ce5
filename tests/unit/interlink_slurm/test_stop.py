import asyncio
from dataclasses import replace

import pytest

from dte.interlink.sidecars.slurm.life import State
from dte.interlink.wire import Creator
from dte.runtime.errors import NotFound, Unavailable
from tests.unit.interlink_slurm.fake_slurm import Fault
from tests.unit.interlink_slurm.pods import OTHER_UID, a_pod
from tests.unit.interlink_slurm.site import CREATOR, GRACE_S, RETENTION_S


async def test_a_waiting_job_is_dropped_and_the_pod_is_terminal_at_the_next_look(site):
    await site.create()

    await site.stopper.delete(a_pod())
    await site.round()

    assert site.batch.jobs["1"].state == "CANCELLED"
    assert site.state()[1]["exitCode"] == 143
    assert site.job().record.state is State.DELETED


async def test_a_running_job_is_told_to_end_and_its_file_decides(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    site.write_status(main=None)
    await site.round()

    await site.stopper.delete(a_pod())
    site.write_status(main=7, over=True)
    await site.keeper.tick()

    assert site.batch.called("signal") == [("signal", "1")]
    assert site.batch.called("stop") == site.batch.called("cancel") == []
    assert site.state()[1]["exitCode"] == 7


async def test_a_delete_leaves_the_job_alone_that_got_the_id_of_a_lost_one(site):
    await site.create()
    await site.create(a_pod(uid=OTHER_UID))
    site.batch.jobs = {"1": replace(site.batch.jobs["2"], job_id="1", state="RUNNING")}

    await site.stopper.delete(a_pod())
    for _ in range(3):
        await site.round(GRACE_S)

    assert site.batch.jobs["1"].state == "RUNNING"
    assert site.job().record.state is State.DELETED


async def test_a_job_that_was_renamed_is_ended_under_its_new_name(site):
    await site.create()
    site.batch.move("1", "PENDING", name="site-job")
    await site.round()

    await site.stopper.delete(a_pod())

    assert site.batch.jobs["1"].state == "CANCELLED"


async def test_a_running_job_is_cancelled_only_after_its_grace_period(site):
    await site.create(a_pod(terminationGracePeriodSeconds=100))
    site.batch.move("1", "RUNNING")
    await site.stopper.delete(a_pod())
    await site.round(100)
    assert site.batch.called("cancel") == []

    await site.round(11)

    assert site.batch.called("cancel") == [("cancel", "1")]
    await site.round()
    assert site.job().record.state is State.DELETED


async def test_a_job_that_has_not_begun_to_write_is_asked_again_until_it_has(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    await site.stopper.delete(a_pod())
    await site.round(6)
    await site.round(6)
    assert len(site.batch.called("stop")) == 3
    site.write_status(main=None)
    await site.keeper.tick()
    await site.round(6)
    await site.round(6)

    assert len(site.batch.called("stop")) == 3
    assert len(site.batch.called("signal")) == 1
    assert site.batch.called("cancel") == []


async def test_deleting_twice_signals_once(site):
    await site.create()
    site.batch.move("1", "RUNNING")

    await site.stopper.delete(a_pod())
    await site.stopper.delete(a_pod())

    assert len(site.batch.called("stop")) == 1


async def test_a_slow_stop_is_neither_repeated_nor_overtaken_by_a_cancel(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    site.batch.may_stop.clear()
    deleting = asyncio.create_task(site.stopper.delete(a_pod()))
    while not site.batch.called("stop"):
        await asyncio.sleep(0)

    await site.stopper.tick()
    ticking = asyncio.create_task(site.stopper.tick())
    site.batch.may_stop.set()
    await deleting
    await ticking

    assert len(site.batch.called("stop")) == 1
    assert site.batch.called("cancel") == []


async def test_an_unknown_pod_is_none_of_ours(site):
    await site.stopper.delete(a_pod(uid=OTHER_UID))

    assert site.batch.calls == []


async def test_a_delete_that_did_not_get_through_is_on_record_and_goes_on(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    site.batch.faults["stop"] = [Fault.BEFORE]
    with pytest.raises(Unavailable):
        await site.stopper.delete(a_pod())
    await site.start_again()

    await site.round()

    assert len(site.batch.called("stop")) == 2
    assert site.job().record.state is State.DELETING


async def test_deleting_an_unsettled_submit_ends_the_job_that_turns_up(site):
    site.batch.faults["submit"] = [Fault.AFTER]
    with pytest.raises(Unavailable):
        await site.create()

    await site.stopper.delete(a_pod())
    await site.round()
    await site.round()

    assert [job.state for job in site.batch.jobs.values()] == ["CANCELLED"]
    assert site.job().record.state is State.DELETED


async def test_deleting_a_submit_that_never_arrived_ends_after_the_grace_time(site):
    site.batch.faults["submit"] = [Fault.BEFORE]
    with pytest.raises(Unavailable):
        await site.create()
    await site.stopper.delete(a_pod())
    await site.round()
    assert site.job().record.state is State.DELETING

    await site.round(GRACE_S)

    assert site.job().record.state is State.DELETED


async def test_a_tombstone_keeps_the_end_and_nothing_but_the_record(site):
    await site.create()
    site.write_status(main=3, over=True)
    await site.keeper.tick()

    await site.stopper.delete(a_pod())

    assert [path.name for path in site.directory().iterdir()] == ["record.json"]
    assert site.state()[1]["exitCode"] == 3


async def test_a_job_that_outlived_its_pods_deletion_keeps_its_end_for_the_retention_time(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    await site.stopper.delete(a_pod())
    site.clock.now += RETENTION_S + 1
    site.batch.move("1", "CANCELLED")

    await site.round()

    assert site.job().record.state is State.DELETED
    await site.round(RETENTION_S + 1)
    assert site.job() is None


async def test_a_tombstone_goes_after_the_retention_time(site):
    await site.create()
    await site.stopper.delete(a_pod())
    await site.round()

    await site.round(7 * 86400 + 1)

    assert not site.directory().exists()
    assert (await site.create()).job_id == "2"


@pytest.mark.parametrize(
    "caller",
    [{"owner_id": "other/node"}, {"owner_id": "ks/node", "creator": Creator("CN=ca", "CN=stranger")}],
    ids=["another virtual node", "another creator"],
)
async def test_nobody_else_ends_a_pod(site, caller):
    await site.create()

    with pytest.raises(NotFound):
        await site.stopper.delete(a_pod(), **caller)

    assert site.job().record.state is State.SUBMITTED
    await site.stopper.delete(a_pod(), owner_id="ks/node", creator=CREATOR)
    assert site.job().record.is_deleted
