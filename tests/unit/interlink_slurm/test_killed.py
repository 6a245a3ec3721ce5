"""Kills between two changes of the files, where the order of the changes is what saves."""

import pytest

from dte.runtime.errors import Refused
from tests.unit.interlink_slurm.killing import SWITCH, Killed


@pytest.fixture(autouse=True)
def _revived():
    yield
    SWITCH.revive()


async def is_killed_at(change, work):
    """Do `work`; whether it was killed at its change number `change` of a file: later ones had fewer."""
    SWITCH.left = change
    try:
        await work
    except Killed:
        return True
    except Refused:
        return False
    finally:
        SWITCH.revive()
    return False


async def test_a_refused_pod_leaves_no_secret_wherever_the_removal_is_cut_off(site):
    for change in range(200):
        site.batch.faults["submit"] = [Refused("sbatch refused: Invalid account")]
        is_killed = await is_killed_at(change, site.create())
        await site.start_again()
        if not (site.directory() / "record.json").exists():
            assert not (site.directory() / "spec.json").exists()
        if not is_killed:
            break

    assert site.job() is None
    assert 10 < change < 199


async def test_a_tombstone_cut_off_anywhere_is_finished_by_the_next_sidecar(site):
    await site.create()
    site.batch.move("1", "CANCELLED")
    secrets = site.directory() / "secrets" / "v"
    for change in range(200):
        secrets.mkdir(parents=True, exist_ok=True)
        (secrets / "key").write_text("hidden")
        (site.directory() / "spec.json").touch()
        is_killed = await is_killed_at(change, site.store.bury(site.job().record))
        assert not secrets.exists() or (site.directory() / "spec.json").exists()
        if not is_killed:
            break

    assert 3 < change < 199
