"""The site's stream of changes: who hears of what, and what happens while there is none."""

from dte.interlink.virtual_kubelet.ports import SiteUnavailable
from dte.interlink.watch.hub import WatchHub
from tests.unit.virtual_kubelet.builders import UID, another_uid, ended, pod, report, waiting
from tests.unit.virtual_kubelet.builders import running as runs
from tests.unit.virtual_kubelet.fakes import settle


async def test_an_end_is_shown_without_a_question_and_without_time_passing(watching):
    watching.cluster.apply(pod())
    await settle()
    watching.site.hub.publish(report(runs()))
    await settle()
    watching.site.hub.publish(report(ended()))
    await settle()
    assert watching.cluster.writes == ["status Pending", "status Running", "status Succeeded"]
    assert watching.site.rounds == []


async def test_nobody_asks_while_the_stream_is_synced(watching):
    watching.cluster.apply(pod())
    await settle()
    watching.site.hub.publish(report(runs()))
    await watching.clock.advance(600)
    assert watching.site.rounds == []


async def test_an_incomplete_site_is_asked_too(watching):
    watching.site.hub.set_complete(False)
    watching.cluster.apply(pod())
    await watching.clock.advance(11)
    assert watching.site.rounds == [[UID], [UID]]


async def test_a_broken_stream_is_made_again_and_meanwhile_the_site_is_asked(watching):
    watching.cluster.apply(pod())
    await watching.clock.advance(60)
    hub, watching.site.hub = watching.site.hub, None
    watching.site.break_watch(SiteUnavailable("silent"))
    watching.site.knows(report(runs()))
    await watching.clock.advance(6)
    assert watching.status(UID)["phase"] == "Running"
    watching.site.hub = hub
    hub.publish(report(ended()))
    await watching.clock.advance(300)
    assert watching.status(UID)["phase"] == "Succeeded"


async def test_a_stream_that_ends_is_made_again_soon_and_one_that_keeps_ending_is_not_hammered(watching):
    await watching.clock.advance(60)
    watching.site.break_watch()
    await watching.clock.advance(1)
    assert watching.site.watches == 2
    for _ in range(10):
        watching.site.break_watch()
        await watching.clock.advance(30)
    before = watching.site.watches
    watching.site.break_watch()
    await watching.clock.advance(0.1)
    assert watching.site.watches == before


async def test_another_instance_of_the_site_is_believed_whatever_its_numbers(watching):
    watching.cluster.apply(pod())
    await settle()
    for _ in range(5):
        watching.site.hub.publish(report(waiting(reason="Priority")))
        watching.site.hub.publish(report(waiting(reason="Resources")))
    await settle()
    watching.site.hub = WatchHub()
    watching.site.hub.publish(report(runs()))
    watching.site.break_watch()
    await watching.clock.advance(2)
    assert watching.status(UID)["phase"] == "Running"


async def test_a_site_without_stream_is_asked_in_rounds_and_tried_again_after_an_upgrade(running):
    running.cluster.apply(pod())
    await running.clock.advance(30)
    assert len(running.site.rounds) == 6
    assert running.site.watches == 1
    running.site.hub = WatchHub()
    running.site.hub.publish(report(runs()))
    await running.clock.advance(300)
    running.site.rounds.clear()
    await running.clock.advance(60)
    assert running.site.rounds == []


async def test_an_answer_older_than_a_line_does_not_undo_it(watching):
    watching.site.hub.set_complete(False)
    watching.cluster.apply(pod())
    await settle()

    async def statuses_overtaken(asked):
        answer = await type(watching.site).statuses(watching.site, asked)
        watching.site.hub.publish(report(runs()))
        await settle()
        return answer

    watching.site.knows(report(waiting()))
    watching.site.statuses = statuses_overtaken
    await watching.clock.advance(5)
    assert watching.status(UID)["phase"] == "Running"


async def test_a_line_that_overtakes_the_answer_to_the_create_is_kept(watching):
    create = watching.site.create

    async def create_told_first(request):
        watching.site.hub.publish(report(runs()))
        await settle()
        return await create(request)

    watching.site.create = create_told_first
    watching.cluster.apply(pod())
    await watching.clock.advance(1)
    assert watching.cluster.writes == ["status Running"]
    assert watching.cluster.pods[UID]["metadata"]["annotations"]["JobID"] == "29"


async def test_a_deleted_pod_goes_the_moment_the_stream_says_that_its_job_is_over(watching):
    watching.cluster.apply(pod())
    await settle()
    watching.site.hub.publish(report(runs()))
    await settle()
    watching.cluster.delete(UID)
    await watching.clock.advance(20)
    assert watching.site.rounds == []
    assert UID in watching.cluster.pods
    watching.site.hub.publish(report(ended(code=143)), deleted=True)
    await settle()
    assert watching.cluster.writes[-2:] == ["status Failed", "remove"]


async def test_an_end_told_before_the_delete_is_answered_counts(watching):
    watching.cluster.apply(pod())
    await settle()
    watching.site.hub.publish(report(runs()))
    await settle()

    async def delete(_):
        watching.site.hub.publish(report(runs()), deleted=True)
        await settle()

    watching.site.delete = delete
    watching.cluster.delete(UID)
    await watching.clock.advance(1)
    assert UID not in watching.cluster.pods
    assert watching.cluster.writes[-2:] == ["status Failed", "remove"]


async def test_a_job_that_the_site_deleted_by_itself_never_counts_as_success(watching):
    watching.cluster.apply(pod())
    await settle()
    watching.site.hub.publish(report(runs()))
    await settle()
    watching.site.hub.publish(report(runs()), deleted=True)
    await settle()
    status = watching.status(UID)
    assert (status["phase"], status["reason"]) == ("Failed", "ContainerStatusUnknown")


async def test_lines_about_pods_of_nobody_here_are_ignored(watching):
    watching.site.hub.publish(report(runs(), uid=another_uid()))
    await settle()
    assert watching.cluster.writes == []


async def test_a_state_of_an_unknown_shape_costs_only_its_own_pod(watching):
    other = another_uid()
    watching.cluster.apply(pod())
    watching.cluster.apply(pod(uid=other, name="q"))
    await settle()
    watching.site.hub.publish(report({"name": "c", "state": {"running": 5}}))
    watching.site.hub.publish(report(runs(), uid=other))
    await settle()
    assert watching.status(UID)["phase"] == "Pending"
    assert watching.status(other)["phase"] == "Running"


async def test_a_restart_adopts_from_the_first_lines(watching):
    watching.cluster.apply(pod())
    await settle()
    await watching.stop()
    del watching.cluster.pods[UID]["metadata"]["annotations"]
    watching.site.hub.publish(report(ended()))
    watching.site.knows(report(runs()))
    watching.site.created.clear()
    await watching.start()
    await watching.clock.advance(1)
    assert watching.site.created == []
    assert watching.status(UID)["phase"] == "Succeeded"


async def test_a_tombstone_told_at_the_start_reaches_its_pod(watching):
    watching.cluster.apply(pod())
    await settle()
    await watching.stop()
    watching.site.hub.publish(report(ended()), deleted=True)
    await watching.start()
    await settle()
    assert watching.status(UID)["phase"] == "Succeeded"
    assert watching.site.rounds == []


async def test_a_pod_whose_job_the_site_lost_keeps_its_state_and_an_event_says_so(watching):
    watching.cluster.apply(pod())
    await settle()
    watching.site.hub.publish(report(runs()))
    await settle()
    watching.site.hub.forget(UID)
    await watching.clock.advance(600)
    assert watching.status(UID)["phase"] == "Running"
    assert watching.cluster.reasons() == ["JobUnknown"]


async def test_a_pod_that_the_stream_never_named_is_asked_for(watching):
    watching.cluster.apply(pod())
    await settle()
    watching.site.knows(report(ended()))
    await watching.clock.advance(180)
    assert watching.status(UID)["phase"] == "Succeeded"
