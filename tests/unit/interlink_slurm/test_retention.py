"""What goes for want of space, and what is missing because its file system is."""

import pytest

from dte.interlink.sidecars.slurm.life import State
from dte.interlink.sidecars.slurm.owner import OWNER_FILE, take_root
from dte.interlink.sidecars.slurm.parse import Exit
from dte.runtime.errors import Unavailable
from tests.unit.interlink_slurm.pods import OTHER_UID, UID, a_pod
from tests.unit.interlink_slurm.site import GRACE_S

MIB = 1 << 20


async def finished(site, uid, *, mib):
    await site.create(a_pod(uid=uid))
    (site.directory(uid) / "run-main.out").write_bytes(b"x" * (mib * MIB))
    site.write_status(str(len(site.batch.jobs)), uid, main=3, over=True)
    await site.keeper.tick()
    site.clock.now += 10


async def test_the_files_of_the_first_to_end_go_and_its_state_stays(site):
    await finished(site, UID, mib=2)
    await finished(site, OTHER_UID, mib=2)
    site.keep_bytes = 3 * MIB
    await site.start_again()

    await site.retention.tick()

    assert [path.name for path in site.directory(UID).iterdir()] == ["record.json"]
    assert (site.directory(OTHER_UID) / "run-main.out").exists()
    assert site.state(UID)[1]["exitCode"] == 3
    assert site.job(UID).record.state is State.TERMINAL


async def test_within_the_limit_and_without_one_everything_stays(site):
    await finished(site, UID, mib=1)
    for limit in (None, 100 * MIB):
        site.keep_bytes = limit
        await site.start_again()
        await site.retention.tick()

        assert (site.directory(UID) / "run-main.out").exists()


async def test_a_job_that_runs_is_never_emptied_however_large_it_is(site):
    await site.create()
    (site.directory() / "run-main.out").write_bytes(b"x" * MIB)
    site.keep_bytes = 1
    await site.start_again()

    await site.retention.tick()

    assert (site.directory() / "run-main.out").exists()


@pytest.fixture
async def owned(site):
    """A running pod on a root whose owner file says that it is ours."""
    site.store.owner = take_root(site.root)
    await site.create()
    site.batch.move("1", "RUNNING")
    site.write_status(main=None)
    await site.keeper.tick()
    await site.round()
    return site


def unmount(site):
    """What is seen then: an empty directory."""
    hidden = site.root.with_name(f"{site.root.name}-hidden")
    site.root.rename(hidden)
    site.root.mkdir()
    return hidden


async def test_an_unmounted_root_keeps_states_and_takes_no_new_pod_until_it_is_back(owned):
    site = owned
    hidden = unmount(site)
    site.batch.move("1", "FAILED", Exit(1, 0))
    await site.round()
    await site.round(GRACE_S + 1)
    await site.round(GRACE_S + 1)

    assert site.state()[0] == "running"
    with pytest.raises(Unavailable, match="is the file system mounted"):
        await site.create(a_pod(uid=OTHER_UID))
    assert len(site.batch.submissions) == 1

    site.root.rmdir()
    hidden.rename(site.root)
    site.write_status(main=5, over=True)
    await site.round()
    assert site.state()[1]["exitCode"] == 5


async def test_a_job_directory_that_somebody_removed_does_not_keep_the_pod_for_ever(owned):
    site = owned
    for path in site.directory().iterdir():
        if path.is_file():
            path.unlink()
    for path in site.directory().iterdir():
        path.rmdir()
    site.directory().rmdir()
    site.batch.move("1", "FAILED", Exit(2, 0))
    await site.round()

    await site.round(GRACE_S + 1)

    assert site.job().record.state is State.TERMINAL
    assert (site.directory() / "record.json").exists()


async def test_a_root_that_another_sidecar_took_is_not_written_to(owned):
    site = owned
    (site.root / OWNER_FILE).write_text('{"host":"edge2","boot_id":"b","pid":1,"started":1}')

    with pytest.raises(Unavailable, match="edge2"):
        await site.create(a_pod(uid=OTHER_UID))
