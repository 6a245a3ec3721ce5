from pathlib import Path

import pytest

from dte.runtime.mounts import file_system_type, type_in

MOUNTINFO = r"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /dev/shm rw,nosuid - tmpfs tmpfs rw
40 21 0:50 / /exa rw,relatime shared:3 master:2 - lustre 10.0.0.1@o2ib:/exa rw,flock
41 40 0:51 / /exa/with\040blank rw - fuse.sshfs twin@host:/x rw
42 21 8:2 / /mnt rw - xfs /dev/sdb rw
43 21 0:52 / /mnt rw - nfs4 server:/mnt rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/x", "ext4"),
        ("/exa/twin01/interlink", "lustre"),
        ("/exa/with blank/jobs", "fuse.sshfs"),
        ("/example", "ext4"),
        ("/mnt/jobs", "nfs4"),
    ],
)
def test_the_deepest_mount_counts_and_of_two_at_one_place_the_later(path, kind):
    assert type_in(MOUNTINFO, Path(path)) == kind


@pytest.mark.parametrize("text", ["", "garbage\n\n1 2 3 - \n"])
def test_what_cannot_be_read_has_no_type(text):
    assert type_in(text, Path("/home")) == ""


def test_this_machine_knows_its_own(tmp_path):
    assert file_system_type(Path("/proc")) == "proc"
    assert file_system_type(tmp_path) != ""


def test_a_missing_path_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_system_type(tmp_path / "missing")
