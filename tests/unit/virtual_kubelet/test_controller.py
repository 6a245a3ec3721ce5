"""The life of pods between a cluster and a site that do what a test says."""

import pytest

from dte.interlink.virtual_kubelet.ports import PodList, SiteUnavailable
from dte.interlink.virtual_kubelet.sources import Reference
from dte.runtime.errors import Refused, Unavailable
from tests.unit.virtual_kubelet.builders import UID, another_uid, ended, pod, report, waiting
from tests.unit.virtual_kubelet.builders import running as runs
from tests.unit.virtual_kubelet.fakes import GONE, settle


async def test_a_pod_runs_and_ends_with_three_writes(running):
    running.cluster.apply(pod())
    await settle()
    running.site.knows(report(runs()))
    await running.clock.advance(5)
    running.site.knows(report(ended()))
    await running.clock.advance(5)
    assert running.cluster.writes == ["status Pending", "status Running", "status Succeeded"]
    assert running.cluster.pods[UID]["metadata"]["annotations"] == {"JobID": "29"}


async def test_an_ended_pod_is_no_longer_asked_for(running):
    running.cluster.apply(pod())
    await settle()
    running.site.knows(report(ended()))
    await running.clock.advance(5)
    running.site.rounds.clear()
    await running.clock.advance(60)
    assert running.site.rounds == []


async def test_one_question_serves_all_pods(running):
    uids = [another_uid() for _ in range(5)]
    for number, uid in enumerate(uids):
        running.cluster.apply(pod(uid=uid, name=f"p{number}"))
    await running.clock.advance(5)
    assert [sorted(asked) for asked in running.site.rounds] == [sorted(uids)]


@pytest.mark.parametrize("error", [SiteUnavailable("site down"), SiteUnavailable("busy", retry_after_s=7)])
async def test_again_keeps_the_pod_pending_with_one_event_until_it_succeeds(running, error):
    running.site.fail_with = [error] * 6
    running.cluster.apply(pod())
    await running.clock.advance(600)
    assert len(running.site.created) == 1
    assert running.status(UID)["phase"] == "Pending"
    assert running.cluster.reasons() == ["CreateDelayed"]
    assert str(error) in running.cluster.events[0]["message"]


async def test_the_sites_wish_when_to_come_back_is_kept(running):
    running.site.fail_with = [SiteUnavailable("busy", retry_after_s=120)]
    running.cluster.apply(pod())
    await running.clock.advance(119)
    assert running.site.created == []
    await running.clock.advance(2)
    assert len(running.site.created) == 1


async def test_final_fails_the_pod_with_the_sites_words_and_is_not_tried_again(running):
    running.site.fail_with = [Refused("sbatch: error: Invalid account")]
    running.cluster.apply(pod())
    await running.clock.advance(3600)
    status = running.status(UID)
    assert (status["phase"], status["reason"]) == ("Failed", "ProviderFailed")
    assert status["message"] == "sbatch: error: Invalid account"
    assert running.cluster.reasons() == ["ProviderFailed"]
    assert running.site.created == []


async def test_a_pod_waits_for_its_config_map_and_then_starts(running):
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}}]
    running.cluster.apply(pod(spec={"containers": [{"name": "c", "image": "img", "env": env}]}))
    await running.clock.advance(30)
    assert running.cluster.reasons() == ["MandatoryConfigMapNotFound"]
    assert running.site.created == []
    running.cluster.objects[Reference("ConfigMap", "cm")] = {"data": {"k": "v"}}
    await running.clock.advance(60)
    sent = running.site.created[0].pod["spec"]["containers"][0]["env"]
    assert sent == [{"name": "A", "value": "v"}]


async def test_a_pod_that_waits_collects_no_tokens(running):
    volumes = [
        {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
        {"name": "v", "secret": {"secretName": "s"}},
    ]
    running.cluster.apply(pod(spec={"volumes": volumes}))
    await running.clock.advance(300)
    assert running.cluster.tokens == []


async def test_a_field_that_cannot_be_served_fails_the_pod_without_a_request(running):
    env = [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.hostname"}}}]
    running.cluster.apply(pod(spec={"containers": [{"name": "c", "image": "img", "env": env}]}))
    await running.clock.advance(5)
    assert running.status(UID)["phase"] == "Failed"
    assert running.site.created == []


async def test_warnings_of_the_site_become_one_event_of_each_kind(running):
    running.site.warnings = ("container c: image img is ignored", "priority ignored", "dnsPolicy ignored")
    running.cluster.apply(pod())
    await settle()
    assert [(event["reason"], event["type"]) for event in running.cluster.events] == [
        ("ImageIgnored", "Normal"),
        ("FieldIgnored", "Warning"),
    ]


async def test_deletion_stops_the_job_writes_its_end_and_removes_the_object_in_that_order(running):
    running.cluster.apply(pod())
    await settle()
    running.site.knows(report(runs()))
    await running.clock.advance(5)
    running.site.after_delete = report(ended(code=143))
    running.cluster.delete(UID)
    await settle()
    assert running.site.deleted == [UID]
    assert running.cluster.writes[-2:] == ["status Failed", "remove"]
    assert running.cluster.pods == {}
    assert len(running.registry) == 0


async def test_the_object_stays_while_the_job_lives(running):
    running.cluster.apply(pod())
    await settle()
    running.site.knows(report(runs()))
    running.cluster.delete(UID)
    await running.clock.advance(20)
    assert UID in running.cluster.pods
    running.site.knows(report(ended(code=137)))
    await running.clock.advance(5)
    assert running.cluster.pods == {}


async def test_a_delete_that_fails_is_repeated_for_ever_and_said_once(running):
    running.cluster.apply(pod())
    await settle()
    running.site.fail_with = [SiteUnavailable("down")] * 8
    running.cluster.delete(UID)
    await running.clock.advance(120)
    assert UID in running.cluster.pods
    assert running.cluster.reasons() == ["DeleteDelayed"]
    await running.clock.advance(400)
    assert running.cluster.pods == {}
    assert running.site.deleted == [UID]


async def test_a_job_that_the_site_forgot_after_the_delete_counts_as_failed(running):
    running.cluster.apply(pod())
    await settle()
    running.cluster.delete(UID)
    await settle()
    assert running.cluster.writes[-2:] == ["status Failed", "remove"]


async def test_a_pod_deleted_while_its_create_is_retried_is_never_created(running):
    running.site.fail_with = [SiteUnavailable("down")]
    running.cluster.apply(pod())
    await settle()
    running.cluster.delete(UID)
    await running.clock.advance(120)
    assert running.site.created == []
    # The first create may have arrived although its answer was lost.
    assert running.site.deleted == [UID]
    assert running.cluster.pods == {}


async def test_a_pod_removed_by_force_is_stopped_at_the_site(running):
    running.cluster.apply(pod())
    await settle()
    running.cluster.delete(UID, grace_s=0)
    await settle()
    assert running.site.deleted == [UID]
    assert len(running.registry) == 0


async def test_an_ended_pod_that_is_deleted_is_forgotten_at_the_site_too(running):
    running.cluster.apply(pod())
    await settle()
    running.site.knows(report(ended()))
    await running.clock.advance(5)
    running.cluster.delete(UID)
    await settle()
    assert running.site.deleted == [UID]


async def test_an_outage_of_the_site_changes_no_status(running):
    running.cluster.apply(pod())
    await settle()
    running.site.knows(report(runs()))
    await running.clock.advance(5)
    writes = list(running.cluster.writes)
    running.site.is_down = True
    await running.clock.advance(3600)
    assert running.cluster.writes == writes


async def test_a_pod_that_the_site_leaves_out_keeps_its_state(running):
    running.cluster.apply(pod())
    await settle()
    running.site.knows(report(runs()))
    await running.clock.advance(5)
    running.site.statuses_by_uid.clear()
    await running.clock.advance(3600)
    assert running.status(UID)["phase"] == "Running"


async def test_changing_reasons_to_wait_cost_few_writes(running):
    running.cluster.apply(pod())
    for number in range(720):
        running.site.knows(report(waiting(reason=f"Reason{number}")))
        await running.clock.advance(5)
    assert len(running.cluster.writes) <= 6


async def test_a_status_that_cannot_be_written_is_written_later(running):
    running.cluster.apply(pod())
    await settle()
    running.cluster.fail_with = Unavailable("the API server is down")
    running.site.knows(report(runs()))
    await running.clock.advance(30)
    running.cluster.fail_with = None
    await running.clock.advance(60)
    assert running.status(UID)["phase"] == "Running"


async def test_after_a_restart_pods_with_a_job_are_adopted(running):
    running.cluster.apply(pod())
    await settle()
    await running.restart()
    running.site.knows(report(runs()))
    await running.clock.advance(5)
    assert len(running.site.created) == 1
    assert running.status(UID)["phase"] == "Running"


async def test_after_a_restart_a_pod_whose_job_id_was_lost_is_found_by_its_uid(stopped):
    setup = stopped()
    setup.cluster.pods[UID] = pod()
    setup.site.knows(report(runs()))
    await setup.start()
    await setup.clock.advance(5)
    assert setup.site.created == []
    assert setup.cluster.pods[UID]["metadata"]["annotations"] == {"JobID": "29"}
    assert setup.status(UID)["phase"] == "Running"
    await setup.stop()


async def test_after_a_restart_a_pod_that_the_site_does_not_know_is_created(stopped):
    setup = stopped()
    setup.cluster.pods[UID] = pod()
    await setup.start()
    assert len(setup.site.created) == 1
    await setup.stop()


async def test_after_a_restart_no_pod_is_created_while_the_site_cannot_say_whether_it_has_it(stopped):
    setup = stopped()
    setup.cluster.pods[UID] = pod()
    setup.site.is_down = True
    await setup.start()
    await setup.clock.advance(600)
    assert setup.site.created == []
    setup.site.is_down = False
    setup.site.knows(report(runs()))
    await setup.clock.advance(120)
    assert setup.site.created == []
    await setup.stop()


async def test_a_silent_part_of_the_site_does_not_make_a_pod_unknown(stopped):
    setup = stopped()
    setup.cluster.pods[UID] = pod()
    setup.site.is_complete = False
    await setup.start()
    await setup.clock.advance(300)
    assert setup.site.created == []
    setup.cluster.delete(UID)
    await setup.clock.advance(300)
    assert UID in setup.cluster.pods
    setup.site.is_complete = True
    await setup.clock.advance(120)
    assert setup.cluster.pods == {}
    await setup.stop()


async def test_a_deletion_missed_while_the_watch_was_down_is_seen_in_the_next_list(running):
    running.cluster.apply(pod())
    await settle()
    del running.cluster.pods[UID]
    running.cluster.break_watch(GONE)
    await running.clock.advance(60)
    assert running.site.deleted == [UID]


async def test_a_pod_that_a_list_lacks_though_it_is_there_keeps_its_job(running):
    running.cluster.apply(pod())
    await settle()
    list_pods = running.cluster.list_pods

    async def nothing_listed():
        return PodList([], (await list_pods()).resource_version)

    running.cluster.list_pods = nothing_listed
    running.cluster.break_watch(GONE)
    await running.clock.advance(60)
    assert running.site.deleted == []
    assert [record.is_gone for record in running.registry] == [False]


async def test_a_list_of_another_cluster_cancels_nothing(running):
    for number in range(30):
        running.cluster.apply(pod(uid=another_uid(), name=f"p{number}"))
    await settle()
    running.cluster.pods.clear()
    running.cluster.break_watch(GONE)
    await running.clock.advance(600)
    assert running.site.deleted == []
    assert running.cluster.writes == ["status Pending"] * 30


async def test_a_new_pod_of_an_old_name_never_gets_the_old_ones_status(running):
    running.cluster.apply(pod())
    await settle()
    newer = another_uid()
    del running.cluster.pods[UID]  # unseen by the watch
    running.cluster.pods[newer] = pod(uid=newer)
    running.site.knows(report(ended()))
    await running.clock.advance(5)
    assert running.status(newer)["phase"] == "Pending"
    assert running.site.deleted == [UID]


async def test_the_deletion_of_a_pod_and_the_creation_of_its_replacement_do_not_mix(running):
    running.cluster.apply(pod())
    await settle()
    running.cluster.delete(UID, grace_s=0)
    newer = another_uid()
    running.cluster.apply(pod(uid=newer))
    await settle()
    assert running.site.deleted == [UID]
    assert running.registry.named("ns", "p").uid == newer


async def test_an_error_of_ours_with_one_pod_does_not_stop_the_others(running):
    broken = pod(name="broken", spec={"containers": [{"name": "c", "env": "not a list"}]})
    running.cluster.apply(broken)
    fine = another_uid()
    running.cluster.apply(pod(uid=fine, name="fine"))
    await settle()
    assert [request.pod["metadata"]["name"] for request in running.site.created] == ["fine"]


async def test_a_report_that_makes_no_sense_changes_nothing(running):
    running.cluster.apply(pod())
    await settle()
    running.site.knows(report({"name": "c", "state": "gone"}))
    await running.clock.advance(10)
    running.site.knows(report(runs()))
    await running.clock.advance(5)
    assert running.status(UID)["phase"] == "Running"
