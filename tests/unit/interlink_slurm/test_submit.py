import asyncio
import json

import pytest

from dte.interlink.sidecars.slurm.batch import PolicyLimit
from dte.interlink.sidecars.slurm.options import FLAGS_ANNOTATION
from dte.runtime.errors import Conflict, Malformed, Refused, Unavailable
from tests.unit.interlink_slurm.fake_slurm import Fault
from tests.unit.interlink_slurm.pods import OTHER_UID, UID, a_pod


async def test_a_pod_becomes_a_job_named_by_its_uid(site):
    answer = await site.create()

    assert (answer.pod_uid, answer.job_id) == (UID, "1")
    (submission,) = site.batch.submissions
    assert submission.name == UID
    assert submission.comment == "dte1:default/hello/default/"
    assert submission.script == site.directory() / "job.slurm"
    assert submission.output == site.directory() / "job.out"


async def test_the_record_holds_owner_creator_and_job_id_before_the_answer(site):
    await site.create()

    record = json.loads((site.directory() / "record.json").read_text())
    assert record["state"] == "submitted"
    assert record["job_id"] == "1"
    assert record["owner_id"] == "ks/node"
    assert record["creator"] == {"issuer": "CN=ca", "subject": "CN=vk"}
    assert (site.directory() / "JobID.jid").read_text() == "1"
    assert (site.directory() / "PodUID.uid").read_text() == UID
    assert (site.directory() / "PodNamespace.ns").read_text() == "default"


async def test_repeating_a_create_answers_with_the_job_there_is(site):
    first = await site.create()

    assert (await site.create()).job_id == first.job_id
    assert len(site.batch.submissions) == 1


async def test_creates_of_one_pod_at_once_make_one_job(site):
    answers = await asyncio.gather(*(site.create() for _ in range(8)))

    assert {answer.job_id for answer in answers} == {"1"}
    assert len(site.batch.submissions) == 1


async def test_pods_have_jobs_of_their_own(site):
    await asyncio.gather(site.create(), site.create(a_pod(uid=OTHER_UID)))

    assert len(site.batch.jobs) == 2


async def test_dropped_options_are_named_in_the_answer(site):
    answer = await site.create(a_pod(annotations={FLAGS_ANNOTATION: "--job-name=x"}))

    assert any("--job-name" in warning for warning in answer.warnings)


async def test_a_submit_whose_answer_was_lost_is_found_by_the_next_create(site):
    site.batch.faults["submit"] = [Fault.AFTER]
    with pytest.raises(Unavailable):
        await site.create()

    assert (await site.create()).job_id == "1"
    assert len(site.batch.jobs) == 1


async def test_a_submit_that_never_arrived_is_submitted_once(site):
    site.batch.faults["submit"] = [Fault.BEFORE, Fault.BEFORE]
    for _ in range(2):
        with pytest.raises(Unavailable):
            await site.create()

    assert (await site.create()).job_id == "1"
    assert len(site.batch.jobs) == 1


async def test_a_sidecar_killed_between_submit_and_saved_id_makes_one_job(site):
    site.batch.faults["submit"] = [Fault.AFTER]  # the kill: the id never reached us
    with pytest.raises(Unavailable):
        await site.create()
    await site.start_again()

    assert (await site.create()).job_id == "1"
    assert len(site.batch.jobs) == 1


async def test_a_killed_sidecar_adopts_the_job_by_itself_when_no_create_comes(site):
    site.batch.faults["submit"] = [Fault.AFTER]
    with pytest.raises(Unavailable):
        await site.create()
    await site.start_again()
    assert site.status() is None

    await site.round()

    assert site.status().job_id == "1"


async def test_a_job_that_ended_before_its_id_was_known_is_found_and_closed(site):
    site.batch.faults["submit"] = [Fault.AFTER]
    with pytest.raises(Unavailable):
        await site.create()
    site.write_status(main=3, over=True)
    await site.keeper.tick()
    assert site.status() is None

    assert (await site.create()).job_id == "1"
    await site.round()

    assert site.state()[1]["exitCode"] == 3


async def test_an_unsettled_submit_is_not_repeated_while_the_queue_cannot_be_asked(site):
    site.batch.faults["submit"] = [Fault.AFTER]
    site.batch.faults["queue"] = [Fault.BEFORE]
    with pytest.raises(Unavailable):
        await site.create()
    with pytest.raises(Unavailable):
        await site.create()

    assert len(site.batch.jobs) == 1


async def test_a_lost_submit_that_only_accounting_knows_is_found(site):
    site.batch.faults["submit"] = [Fault.AFTER]
    with pytest.raises(Unavailable):
        await site.create()
    site.batch.move("1", "FAILED")
    site.batch.purge("1")

    assert (await site.create()).job_id == "1"
    assert len(site.batch.submissions) == 1


async def test_a_lost_submit_that_only_the_claim_tells_of_is_found(site):
    site.batch.has_accounting = False
    site.batch.faults["submit"] = [Fault.AFTER]
    with pytest.raises(Unavailable):
        await site.create()
    site.batch.jobs.clear()
    (site.directory() / "claim").write_text("1\n")

    assert (await site.create()).job_id == "1"
    assert len(site.batch.submissions) == 1


async def test_a_job_that_a_plugin_renamed_is_found_by_its_directory(site):
    site.batch.faults["submit"] = [Fault.AFTER]
    with pytest.raises(Unavailable):
        await site.create()
    site.batch.move("1", "PENDING", name="renamed", comment="")

    assert (await site.create()).job_id == "1"


async def test_a_refusal_has_the_batch_systems_words_and_leaves_nothing(site):
    site.batch.faults["submit"] = [Refused("sbatch refused (exit 1): ask hpc-support\nInvalid account")]

    with pytest.raises(Refused, match="ask hpc-support\nInvalid account"):
        await site.create()

    assert not site.directory().exists()
    assert site.status() is None


async def test_policy_is_again_for_the_retry_hours_and_then_final(site):
    limit = PolicyLimit("sbatch refused (exit 1): Job violates accounting/QOS policy")
    site.batch.faults["submit"] = [limit, limit]
    with pytest.raises(Unavailable, match="violates"):
        await site.create()
    site.clock.now += 24 * 3600

    with pytest.raises(PolicyLimit):
        await site.create()

    assert not site.directory().exists()


async def test_a_create_for_a_deleted_pod_is_a_conflict_also_after_a_restart(site):
    await site.create()
    await site.stopper.delete(a_pod())
    with pytest.raises(Conflict):
        await site.create()
    await site.start_again()

    with pytest.raises(Conflict):
        await site.create()


async def test_more_jobs_than_the_site_allows_are_told_to_come_again(tmp_path, site):
    site.keys["MaxJobs"] = 1
    site.restart()
    await site.create()

    with pytest.raises(Unavailable, match="MaxJobs"):
        await site.create(a_pod(uid=OTHER_UID))


@pytest.mark.parametrize("uid", ["", "..", "../../etc", "45664D6C-D131-4249-BF8C-0FE5C2A8BE0B", "x" * 36])
async def test_a_uid_that_is_none_touches_nothing(site, uid):
    with pytest.raises(Malformed):
        await site.create(a_pod(uid=uid))

    assert list(site.root.iterdir()) == []


@pytest.mark.parametrize("namespace", ["..", "a/b", "", "UPPER"])
async def test_a_namespace_that_is_none_touches_nothing(site, namespace):
    pod = a_pod()
    pod["metadata"]["namespace"] = namespace

    with pytest.raises(Refused):
        await site.create(pod)

    assert list(site.root.iterdir()) == []
