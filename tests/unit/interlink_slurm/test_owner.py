import json
import os
from dataclasses import replace

import msgspec
import pytest

from dte.interlink.sidecars.slurm.owner import OWNER_FILE, release_root, require_owned, take_root
from dte.runtime.errors import ConfigError, Unavailable
from dte.runtime.process_identity import start_time, this_process


def write_owner(root, **changes):
    (root / OWNER_FILE).write_bytes(msgspec.json.encode(replace(this_process(), **changes)))


def test_a_free_root_is_taken_and_given_back(tmp_path):
    root = tmp_path / "jobs"

    me = take_root(root)

    assert json.loads((root / OWNER_FILE).read_text())["pid"] == me.pid
    assert root.stat().st_mode & 0o777 == 0o700
    release_root(root, me)
    assert list(root.iterdir()) == []


def test_a_live_owner_keeps_the_root(tmp_path):
    # Process 1 is alive on every machine.
    write_owner(tmp_path, pid=1, started=start_time(1))

    with pytest.raises(ConfigError, match="owned by pid 1 of this host; stop that sidecar first"):
        take_root(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"pid": 4194304 + 1}, id="no such process"),
        pytest.param({"pid": 1, "started": 123456789}, id="another process with that pid"),
        pytest.param({"pid": 1, "boot_id": "before"}, id="before a reboot"),
    ],
)
def test_a_dead_owner_of_this_host_is_replaced(tmp_path, changes):
    write_owner(tmp_path, **changes)

    assert take_root(tmp_path) == this_process()


def test_an_owner_on_another_host_keeps_the_root_because_it_cannot_be_asked(tmp_path):
    write_owner(tmp_path, host="edge2", boot_id="other")

    with pytest.raises(ConfigError, match="on host edge2.*remove the file if that host is gone"):
        take_root(tmp_path)


def test_a_file_that_was_cut_off_is_nobodys(tmp_path):
    (tmp_path / OWNER_FILE).write_text("{")

    assert take_root(tmp_path) == this_process()


def test_a_root_whose_file_system_is_not_there_is_waited_for_and_never_made(tmp_path):
    with pytest.raises(Unavailable, match="mount its file system"):
        take_root(tmp_path / "mount" / "jobs")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory to another account")
def test_an_empty_mount_point_of_another_account_is_waited_for(tmp_path):
    os.chown(tmp_path, 4000, 4000)
    (tmp_path / "jobs").mkdir()
    os.chown(tmp_path / "jobs", 4000, 4000)

    with pytest.raises(Unavailable, match="belongs to another account"):
        take_root(tmp_path / "jobs")


def test_a_root_that_lost_its_owner_file_or_has_anothers_is_not_ours(tmp_path):
    me = take_root(tmp_path)
    require_owned(tmp_path, me)

    (tmp_path / OWNER_FILE).unlink()
    with pytest.raises(Unavailable, match="is the file system mounted"):
        require_owned(tmp_path, me)
    write_owner(tmp_path, host="edge2")
    with pytest.raises(Unavailable, match="host edge2"):
        require_owned(tmp_path, me)


@pytest.mark.parametrize("put", [lambda path: path.mkdir(), lambda path: path.symlink_to("/etc/hostname")])
def test_what_is_no_file_in_the_owner_files_place_is_refused(tmp_path, put):
    put(tmp_path / OWNER_FILE)

    with pytest.raises(ConfigError, match="remove it"):
        take_root(tmp_path)


def test_the_owner_file_of_another_is_left_alone_at_the_end(tmp_path):
    me = take_root(tmp_path)
    write_owner(tmp_path, host="edge2")

    release_root(tmp_path, me)

    assert (tmp_path / OWNER_FILE).exists()
