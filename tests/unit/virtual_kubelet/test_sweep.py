"""Jobs whose pods are gone: which are deleted, when, and when nothing is."""

import pytest

from dte.interlink.virtual_kubelet.ports import SiteUnavailable
from dte.interlink.watch.hub import WatchHub
from tests.unit.virtual_kubelet.builders import UID, another_uid, ended, pod, report
from tests.unit.virtual_kubelet.builders import running as runs
from tests.unit.virtual_kubelet.fakes import settle


def orphans(setup, count):
    """Jobs at the site without a pod."""
    uids = [another_uid() for _ in range(count)]
    for uid in uids:
        setup.site.hub.publish(report(runs(), uid=uid))
    return uids


async def with_pods(setup, count):
    """Pods whose jobs the site tells of."""
    for number in range(count):
        uid = another_uid()
        setup.cluster.apply(pod(uid=uid, name=f"p{number}"))
        setup.site.hub.publish(report(runs(), uid=uid))
    await settle()


@pytest.mark.parametrize("state", [runs(), ended()], ids=["running", "ended"])
async def test_a_job_without_pod_is_deleted_after_two_minutes_and_not_before(watching, state):
    watching.site.hub.publish(report(state))
    await watching.clock.advance(120)
    assert watching.site.deleted == []
    await watching.clock.advance(60)
    assert watching.site.deleted == [UID]


async def test_a_pod_removed_by_force_while_nobody_was_there_is_swept(watching):
    watching.cluster.apply(pod())
    watching.site.hub.publish(report(runs()))
    await settle()
    await watching.stop()
    del watching.cluster.pods[UID]
    await watching.start()
    await watching.clock.advance(180)
    assert watching.site.deleted == [UID]


async def test_jobs_of_pods_are_left_alone(watching):
    await with_pods(watching, 3)
    await watching.clock.advance(3600)
    assert watching.site.deleted == []
    assert watching.cluster.lists == 1


async def test_a_pod_that_only_the_watch_has_not_told_of_keeps_its_job(watching):
    (orphans_uid,) = orphans(watching, 1)
    watching.cluster.pods[orphans_uid] = pod(uid=orphans_uid)
    await watching.clock.advance(600)
    assert watching.site.deleted == []


async def test_a_list_alone_is_not_believed(watching):
    (uid,) = orphans(watching, 1)
    there = pod(uid=uid)

    async def get_pod(namespace, name):
        return there

    watching.cluster.get_pod = get_pod
    await watching.clock.advance(600)
    assert watching.site.deleted == []


async def test_a_new_pod_of_the_old_name_does_not_keep_the_old_job(watching):
    (uid,) = orphans(watching, 1)
    watching.cluster.apply(pod(uid=another_uid()))
    await watching.clock.advance(180)
    assert watching.site.deleted == [uid]


async def test_nothing_goes_while_a_part_of_the_site_is_silent_or_the_stream_is_broken(watching):
    orphans(watching, 1)
    watching.site.hub.set_complete(False)
    await watching.clock.advance(600)
    assert watching.site.deleted == []
    watching.site.is_down = True
    watching.site.hub.set_complete(True)
    watching.site.break_watch(SiteUnavailable("cut"))
    await watching.clock.advance(600)
    assert watching.site.deleted == []


async def test_nothing_goes_while_the_cluster_does_not_answer(watching):
    orphans(watching, 1)
    watching.cluster.fail_with = SiteUnavailable("no route")
    await watching.clock.advance(600)
    assert watching.site.deleted == []
    watching.cluster.fail_with = None
    await watching.clock.advance(60)
    assert len(watching.site.deleted) == 1


async def test_a_delete_that_fails_is_repeated_until_the_site_takes_it(watching):
    orphans(watching, 1)
    watching.site.fail_with = [SiteUnavailable("busy")] * 3
    await watching.clock.advance(300)
    assert len(watching.site.deleted) == 1


async def test_an_accepted_delete_is_not_sent_again_while_the_job_takes_its_grace(watching):
    watching.cluster.apply(pod())
    watching.site.hub.publish(report(runs()))
    await settle()
    watching.cluster.delete(UID, grace_s=0)
    await watching.clock.advance(600)
    assert watching.site.deleted == [UID]


async def test_a_site_without_stream_is_not_swept(running):
    running.site.knows(report(runs()))
    await running.clock.advance(600)
    assert running.site.deleted == []
    assert running.cluster.lists == 1


async def test_a_restored_etcd_cancels_nothing_and_says_so_once(watching):
    await with_pods(watching, 30)
    orphans(watching, 25)
    await watching.clock.advance(900)
    assert watching.site.deleted == []
    assert watching.hold.orphans == 25
    assert watching.hold.jobs == 55
    assert watching.cluster.reasons() == ["SweepHeld"]
    assert "release-sweep=25" in watching.cluster.events[0]["message"]
    assert watching.cluster.lists == 2


async def test_a_tenth_of_many_may_go_at_once(watching):
    await with_pods(watching, 230)
    orphans(watching, 25)
    await watching.clock.advance(180)
    assert len(watching.site.deleted) == 25


async def test_a_sweep_that_an_administrator_released_goes_on(watching):
    gone = orphans(watching, 30)
    await watching.clock.advance(180)
    watching.hold.released = 30
    await watching.clock.advance(30)
    assert sorted(watching.site.deleted) == sorted(gone)
    assert watching.hold.orphans == watching.hold.released == 0


async def test_a_release_holds_for_the_number_that_was_shown_and_not_for_more(watching):
    orphans(watching, 30)
    await watching.clock.advance(180)
    orphans(watching, 5)
    watching.hold.released = 30
    await watching.clock.advance(300)
    assert watching.site.deleted == []
    assert watching.hold.orphans == 35


async def test_orphans_that_come_one_after_the_other_are_counted_together(watching):
    orphans(watching, 15)
    await watching.clock.advance(100)
    orphans(watching, 15)
    await watching.clock.advance(900)
    assert watching.site.deleted == []


async def test_a_hold_ends_when_the_pods_are_back(watching):
    gone = orphans(watching, 30)
    await watching.clock.advance(180)
    for number, uid in enumerate(gone):
        watching.cluster.apply(pod(uid=uid, name=f"p{number}"))
    await watching.clock.advance(60)
    assert watching.hold.orphans == 0
    assert watching.site.deleted == []


async def test_a_site_that_shows_nothing_of_ours_loses_nothing(watching):
    await with_pods(watching, 3)
    watching.site.hub = WatchHub()
    watching.site.break_watch()
    await watching.clock.advance(600)
    assert watching.site.deleted == []
