"""A job that the site puts back into the queue under its id, whatever the sidecar asked for."""

from dataclasses import replace

from dte.interlink.sidecars.slurm.life import State
from dte.interlink.sidecars.slurm.parse import Exit
from tests.unit.interlink_slurm.pods import a_pod
from tests.unit.interlink_slurm.site import GRACE_S


async def running(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    site.write_status(main=None)
    await site.keeper.tick()
    await site.round()
    assert site.state()[0] == "running"


async def test_a_requeued_job_waits_with_the_queues_reason_then_runs_again_to_its_own_end(site):
    await running(site)
    site.batch.move("1", "NODE_FAIL", Exit(0, 1))
    await site.round()
    site.batch.move("1", "PENDING", reason="BeginTime")
    await site.round()
    assert site.state() == ("waiting", {"reason": "BeginTime", "message": "job 1 is PENDING"})

    site.batch.move("1", "RUNNING")
    await site.round()
    assert site.state()[0] == "running"
    site.write_status(main=0, over=True)
    await site.keeper.tick()
    assert site.state()[1]["exitCode"] == 0


async def test_a_look_that_began_before_the_job_started_does_not_take_it_for_requeued(site):
    await site.create()
    await site.round()
    site.batch.move("1", "RUNNING")
    site.write_status(main=None)

    await site.keeper.tick()

    assert site.state()[0] == "running"


async def test_a_sidecar_that_starts_while_the_job_waits_again_sees_it_wait(site):
    await running(site)
    site.batch.move("1", "PENDING", reason="BeginTime")
    await site.start_again()

    await site.round()

    assert site.state()[0] == "waiting"


async def test_a_requeued_job_of_a_deleted_pod_is_dropped_from_the_queue(site):
    await running(site)
    site.batch.move("1", "PENDING", reason="BeginTime")
    await site.round()

    await site.stopper.delete(a_pod())
    await site.round()

    assert site.batch.called("stop") == [("stop", "1")]
    assert site.job().record.state is State.DELETED


async def test_a_lost_node_without_requeue_is_final_after_the_grace_time(site):
    await running(site)
    site.batch.move("1", "NODE_FAIL", Exit(0, 0))
    await site.round()
    assert site.state()[0] == "running"

    await site.round(GRACE_S)

    kind, detail = site.state()
    assert (kind, detail["reason"], detail["exitCode"]) == ("terminated", "NODE_FAIL", 137)


async def test_a_renamed_job_is_told_of_once_and_keeps_its_pod(site, capsys):
    await site.create()
    for number in range(3):
        site.batch.jobs["1"] = replace(site.batch.jobs["1"], name=f"site-{number}")
        await site.round()

    assert site.status().job_id == "1"
    assert capsys.readouterr().out.count("job_renamed") == 1
