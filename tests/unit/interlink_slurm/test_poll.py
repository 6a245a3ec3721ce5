import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.sidecars.slurm import store
from dte.interlink.sidecars.slurm.life import State
from dte.interlink.sidecars.slurm.parse import Exit, Listing, QueueJob
from dte.runtime.errors import Refused, Unavailable
from tests.unit.interlink_slurm.fake_slurm import Fault
from tests.unit.interlink_slurm.pods import OTHER_UID, UID, a_pod
from tests.unit.interlink_slurm.site import GRACE_S


async def test_one_look_serves_all_pods(site):
    for number in range(20):
        await site.create(a_pod(uid=f"45664d6c-d131-4249-bf8c-0fe5c2a8be{number:02d}"))

    await site.round()

    assert len(site.batch.called("queue")) == 1
    assert site.batch.called("accounted") == []


async def test_a_pending_job_shows_the_queues_reason(site):
    await site.create()

    await site.round()

    assert site.state() == ("waiting", {"reason": "Priority", "message": "job 1 is PENDING"})


async def test_a_notice_ends_the_pod_without_a_look_at_the_queue(site):
    await site.create()
    site.write_status(main=3, over=True)

    await site.keeper.tick()

    assert site.state()[1]["exitCode"] == 3
    assert site.batch.called("queue") == []


async def test_an_end_survives_a_restart_and_is_absorbing(site):
    await site.create()
    site.write_status(main=3, over=True)
    await site.keeper.tick()
    await site.start_again()
    site.write_status(main=0, over=True)

    await site.round()

    assert site.state()[1]["exitCode"] == 3
    assert site.job().record.state is State.TERMINAL


async def test_secrets_and_specification_go_when_the_job_ends(site):
    await site.create()
    (site.directory() / "secrets" / "vol").mkdir(parents=True)
    site.write_status(main=0, over=True)

    await site.keeper.tick()

    assert not (site.directory() / "secrets").exists()
    assert not (site.directory() / "spec.json").exists()
    assert (site.directory() / "status.json").exists()


async def test_a_failing_queue_changes_no_pod(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    site.write_status(main=None)
    await site.round()
    site.batch.faults["queue"] = [Fault.BEFORE] * 3
    for _ in range(3):
        await site.round(120)

    assert site.state()[0] == "running"
    assert "the queue was not seen for" in site.poller.readiness()


async def test_the_wait_doubles_with_each_failure_up_to_two_minutes_and_then_starts_again(site):
    await site.create()
    site.batch.faults["queue"] = [Fault.BEFORE] * 6
    waits = []
    for _ in range(7):
        await site.poller.look()
        waits.append(site.poller.wait_s)

    assert waits == [10, 20, 40, 80, 120, 120, 5]


async def test_a_slow_queue_is_asked_less_often(site):
    await site.create()
    site.batch.on_queue = lambda: setattr(site.clock, "now", site.clock.now + 3)

    await site.poller.look()

    assert site.poller.wait_s == 30


async def test_an_ended_job_without_file_waits_for_the_grace_time_then_the_queue_decides(site):
    await site.create()
    site.batch.move("1", "FAILED", Exit(3, 0))
    await site.round()
    assert site.state()[0] == "waiting"

    await site.round(GRACE_S)

    assert site.state()[1]["exitCode"] == 3
    assert site.job().record.state is State.TERMINAL


async def test_a_late_file_wins_within_the_grace_time(site):
    await site.create()
    site.batch.move("1", "FAILED", Exit(1, 0))
    await site.round()
    site.write_status(main=42, over=True)
    (site.root / ".notices" / UID).unlink()  # a file system that lost the notice

    await site.round(GRACE_S - 10)

    assert site.state()[1]["exitCode"] == 42


@pytest.mark.parametrize("state", ["CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"])
async def test_a_job_that_was_ended_never_shows_success(site, state):
    await site.create()
    site.batch.move("1", state, Exit(0, 0))

    await site.round()
    await site.round(GRACE_S)

    assert site.state()[1]["exitCode"] != 0


async def test_a_purged_job_is_looked_up_in_accounting(site):
    await site.create()
    site.batch.move("1", "COMPLETED")
    site.batch.purge("1")

    await site.round()
    await site.round(GRACE_S)

    assert site.batch.called("accounted")[0] == ("accounted", "1")
    assert site.state()[1]["exitCode"] == 0


@pytest.mark.parametrize("has_accounting", [True, False])
async def test_a_job_that_nobody_knows_is_lost_after_the_grace_time(site, has_accounting):
    site.batch.has_accounting = has_accounting
    await site.create()
    site.batch.jobs.clear()
    await site.round()
    assert site.state()[0] == "waiting"

    await site.round(GRACE_S)

    assert site.state()[1]["reason"] == "JobLost"


async def test_a_job_is_not_lost_while_accounting_is_down(site):
    await site.create()
    site.batch.jobs.clear()
    site.batch.faults["accounted"] = [Fault.BEFORE] * 5

    for _ in range(5):
        await site.round(GRACE_S)

    assert site.state()[0] == "waiting"
    assert site.poller.wait_s == 5  # the other pods are looked at as often as before


async def test_a_reused_id_gives_no_pod_an_old_jobs_state(site):
    await site.create()
    site.batch.jobs["1"] = QueueJob("1", "COMPLETED", Exit(0, 0), "", 1, 1, 1, "/elsewhere", "other", "")

    await site.round()
    await site.round(GRACE_S)

    assert site.state()[1]["reason"] == "JobLost"


async def test_a_reused_id_is_not_proven_by_the_comment_of_a_pod_of_the_same_name(site):
    await site.create()
    await site.create(a_pod(uid=OTHER_UID))
    other = site.batch.jobs.pop("2")
    assert other.comment == site.job().record.comment
    site.batch.jobs["1"] = replace(other, job_id="1", state="RUNNING")

    await site.round()
    await site.round(GRACE_S)

    assert site.state()[1]["reason"] == "JobLost"


async def test_a_job_that_runs_in_accounting_only_is_lost_after_the_grace_time(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    site.batch.purge("1")

    await site.round()
    await site.round(GRACE_S)

    assert site.state()[1]["reason"] == "JobLost"


async def test_a_queue_that_was_not_read_whole_proves_no_absence(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    site.batch.purge("1")

    for _ in range(2):
        site.clock.now += GRACE_S
        await site.poller.apply(Listing((), ("1|RUNNI",)), site.clock())
        await site.keeper.tick()

    assert site.job().record.state is State.SUBMITTED


async def test_an_end_that_is_concluded_is_told_once_it_is_on_record(site):
    await site.create()
    site.batch.jobs.clear()
    await site.round()
    site.clock.now += GRACE_S
    assert site.state()[0] == "waiting"

    await site.round()

    assert site.state()[0] == "terminated"
    assert site.job().record.state is State.TERMINAL


async def test_a_look_that_began_before_the_submit_says_nothing_about_the_job(site):
    begun_at = site.clock()
    site.clock.now += 1
    await site.create()

    await site.poller.apply(Listing((), ()), begun_at)

    assert site.job().missing_since is None
    assert site.batch.called("accounted") == []


async def test_a_look_that_began_before_the_last_file_change_is_void(site):
    await site.create()
    old = site.batch.jobs["1"]
    begun_at = site.clock()
    site.clock.now += 1
    site.write_status(main=None)
    await site.keeper.tick()

    await site.poller.apply(Listing((old,), ()), begun_at)

    assert site.job().queue is None
    assert site.state()[0] == "running"


async def test_a_second_job_that_waits_is_dropped(site):
    await site.create()
    site.batch.jobs["2"] = QueueJob("2", "PENDING", None, "", 1, None, None, str(site.directory()), UID, "")

    await site.round()

    assert site.batch.jobs["2"].state == "CANCELLED"
    assert site.batch.jobs["1"].state == "PENDING"
    assert site.status().job_id == "1"


async def test_of_two_jobs_the_one_with_the_claim_is_the_pods(site):
    await site.create()
    site.batch.jobs["2"] = QueueJob("2", "RUNNING", None, "", 1, 1, None, str(site.directory()), UID, "")
    site.write_status(job_id="2", main=None)
    await site.keeper.tick()

    await site.round()

    assert site.status().job_id == "2"
    assert site.batch.jobs["1"].state == "CANCELLED"
    assert site.batch.jobs["2"].state == "RUNNING"


async def test_a_job_id_that_the_pod_made_up_is_never_adopted(site):
    await site.create()
    await site.create(a_pod(uid=OTHER_UID))
    site.write_status(job_id="2", main=None)
    await site.keeper.tick()

    await site.round()

    assert site.status().job_id == "1"


async def test_a_suspended_job_runs(site):
    await site.create()
    site.write_status(main=None)
    site.batch.move("1", "SUSPENDED")

    await site.round()
    await site.round(GRACE_S)

    assert site.state()[0] == "running"


async def test_an_unreadable_status_file_is_as_good_as_none(site):
    await site.create()
    site.write_status(main=0, over=True)
    (site.directory() / "status.json").write_bytes(b'{"schema": 1, "containers": {"../x": 1}}')

    await site.keeper.tick()

    assert site.state()[0] == "waiting"


@pytest.mark.parametrize(
    "put",
    [
        pytest.param(lambda path: os.mkfifo(path), id="a FIFO"),
        pytest.param(lambda path: path.mkdir(), id="a directory"),
        pytest.param(lambda path: path.symlink_to("/etc/hostname"), id="a link"),
        pytest.param(lambda path: path.write_bytes(b" " * (1 << 21)), id="too large"),
    ],
)
async def test_whatever_a_pod_puts_in_place_of_its_status_file_is_no_status(site, put):
    await site.create()
    put(site.directory() / "status.json")
    (site.root / ".notices" / UID).touch()

    await site.keeper.tick()

    assert site.state()[0] == "waiting"


async def test_a_record_that_cannot_be_written_keeps_no_other_pod_from_ending(site):
    await site.create()
    await site.create(a_pod(uid=OTHER_UID))
    for uid in (UID, OTHER_UID):
        site.write_status(uid=uid, main=3, over=True)
    (site.directory(UID) / "record.json").unlink()
    (site.directory(UID) / "record.json").mkdir()

    await site.keeper.tick()

    assert site.job(UID).record.state is State.SUBMITTED
    assert site.job(OTHER_UID).record.state is State.TERMINAL


async def test_a_second_job_that_cannot_be_ended_keeps_no_other_pod_from_being_seen(site):
    await site.create()
    site.batch.jobs["2"] = QueueJob("2", "PENDING", None, "", 1, None, None, str(site.directory()), UID, "")
    await site.create(a_pod(uid=OTHER_UID))
    site.batch.faults["drop"] = [Refused("scancel refused (exit 210): Access/permission denied")]

    await site.round()

    assert site.state(OTHER_UID)[1]["reason"] == "Priority"


async def test_an_unreadable_record_does_not_stop_the_others(site):
    await site.create()
    await site.create(a_pod(uid=OTHER_UID))
    (site.directory(OTHER_UID) / "record.json").write_text("{")

    await site.start_again()

    assert site.status().job_id == "1"
    assert site.status(OTHER_UID) is None


async def test_unknown_pods_and_nonsense_are_left_out_of_an_answer(site):
    await site.create()

    answers = site.table.statuses([a_pod(uid="nonsense"), a_pod(uid=OTHER_UID), {}, a_pod()])

    assert [answer.uid for answer in answers] == [UID]


async def test_records_go_after_the_retention_time(site):
    await site.create()
    site.write_status(main=0, over=True)
    await site.keeper.tick()

    await site.round(7 * 86400 + 1)

    assert site.status() is None
    assert not site.directory().exists()


async def test_a_directory_that_cannot_be_removed_keeps_no_other_from_going(site):
    await site.create()
    await site.create(a_pod(uid=OTHER_UID))
    for uid in (UID, OTHER_UID):
        site.write_status(uid=uid, main=0, over=True)
    await site.keeper.tick()
    # rmtree refuses a link.
    site.directory(UID).rename(site.root / "elsewhere")
    site.directory(UID).symlink_to(site.root / "elsewhere")

    await site.round(7 * 86400 + 1)
    await site.round(601)

    assert not site.directory(OTHER_UID).exists()
    assert site.job(UID) is not None


@pytest.fixture
def ordinary_user(tmp_path, monkeypatch):
    """Not root, for whom modes mean nothing; paths are relative, for what is above is root's alone."""
    user = os.geteuid()
    tmp_path.chmod(0o777)
    monkeypatch.chdir(tmp_path)
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


def test_a_directory_that_its_owner_may_not_write_is_removed_like_any_other(ordinary_user):
    directory = JobDirectory(Path(), "default", UID)
    cache = directory.path / "emptyDirs" / "go" / "module"
    cache.mkdir(parents=True)
    (cache / "go.mod").touch()
    for path in (cache, cache.parent):
        path.chmod(0o555)

    store._remove(directory)

    assert not directory.path.exists()


async def test_secrets_that_could_not_be_removed_at_the_end_go_later_and_it_is_said(site, monkeypatch, capsys):
    await site.create()
    (site.directory() / "secrets" / "vol").mkdir(parents=True)
    site.write_status(main=0, over=True)
    with monkeypatch.context() as patch:
        patch.setattr(store.shutil, "rmtree", refuse)
        await site.keeper.tick()
    assert site.job().record.state is State.TERMINAL
    assert not (site.directory() / "spec.json").exists()
    assert "files_of_pod_not_removed" in capsys.readouterr().out

    await site.round(601)

    assert not (site.directory() / "secrets").exists()


def refuse(path):
    raise OSError(errno.EBUSY, "busy", str(path))


async def test_secrets_of_a_job_whose_end_was_written_just_before_a_stop_go_after_the_start(site):
    await site.create()
    (site.directory() / "secrets" / "vol").mkdir(parents=True)
    specification = (site.directory() / "spec.json").read_bytes()
    site.write_status(main=0, over=True)
    await site.keeper.tick()
    (site.directory() / "secrets" / "vol").mkdir(parents=True)
    (site.directory() / "spec.json").write_bytes(specification)

    await site.start_again()
    await site.retention.tick()

    assert not (site.directory() / "secrets").exists()
    assert not (site.directory() / "spec.json").exists()


async def test_an_intent_that_never_became_a_job_goes_after_the_retention_time(site):
    site.batch.faults["submit"] = [Fault.BEFORE]
    with pytest.raises(Unavailable):
        await site.create()
    await site.round()
    assert site.directory().exists()

    await site.round(7 * 86400 + 1)

    assert site.job() is None
    assert not site.directory().exists()


async def test_a_start_with_many_records_reads_them_in_parts(site, monkeypatch):
    monkeypatch.setattr(store, "DIRECTORIES_PER_CALL", 2)
    uids = [f"45664d6c-d131-4249-bf8c-0fe5c2a8be{number:02d}" for number in range(5)]
    for uid in uids:
        await site.create(a_pod(uid=uid))

    await site.start_again()

    assert [site.status(uid).uid for uid in uids] == uids


async def test_running_jobs_never_go_by_age(site):
    await site.create()

    await site.round(30 * 86400)

    assert site.status().job_id == "1"


async def test_a_job_at_its_time_limit_says_so_at_the_next_look(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    await site.round()
    site.write_stopped()
    await site.keeper.tick()
    assert site.state()[0] == "running"

    site.batch.move("1", "TIMEOUT")
    await site.round()
    await site.keeper.tick()

    assert (site.state()[1]["exitCode"], site.state()[1]["reason"]) == (143, "SlurmJobTimeout")


async def test_a_stopped_job_ends_after_the_grace_time_when_the_queue_cannot_be_asked(site):
    await site.create()
    site.batch.move("1", "RUNNING")
    await site.round()
    site.write_stopped()
    await site.keeper.tick()

    site.clock.now += GRACE_S
    await site.keeper.tick()

    assert (site.state()[1]["exitCode"], site.state()[1]["reason"]) == (143, "Stopped")
