"""Volumes that only the compute node can make: paths of it, memory, and limits, with the real bubblewrap."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from dte.interlink.jobs.supervisor.host_paths import node_path
from dte.interlink.jobs.supervisor.programs import sandbox_problem
from dte.interlink.jobs.supervisor.sandbox import MountRefused
from dte.interlink.jobs.supervisor.usage import used_bytes
from tests.unit.jobs.conftest import Job, probe, shell

PROBLEM = sandbox_problem(b"bwrap", 30)
needs_mounts = pytest.mark.skipif(PROBLEM is not None, reason=str(PROBLEM))


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """What the site allows, with one thing of every kind in it, and what it does not allow beside it."""
    allowed = tmp_path / "node"
    (allowed / "directory").mkdir(parents=True)
    (allowed / "directory/f").write_text("content")
    (allowed / "file").write_text("content")
    (allowed / "null").symlink_to("/dev/null")
    (allowed / "outside").symlink_to(tmp_path)
    (allowed / "inside").symlink_to("directory")
    here = os.open(allowed, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{here}/socket")  # the whole path is too long for an address
    os.close(here)
    return allowed


def host(path: Path, kind: str = "", *more: str) -> dict[str, Any]:
    return {"path": str(path), "type": kind, "allowed": [str(path.parent), *more]}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("directory", ""),
        ("directory", "Directory"),
        ("directory", "DirectoryOrCreate"),
        ("inside", "Directory"),
        ("new/deep", "DirectoryOrCreate"),
        ("unset", ""),
        ("file", "File"),
        ("new-file", "FileOrCreate"),
        ("socket", "Socket"),
    ],
)
def test_a_path_of_the_wanted_type_is_found_or_made(node: Path, name: str, kind: str) -> None:
    found = node_path({"path": str(node / name), "type": kind, "allowed": [str(node)]}, "")
    assert Path(os.fsdecode(found.path)) == (node / name).resolve()
    assert (node / name).exists()
    assert not found.is_device


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("nope", "Directory", "does not exist on this node"),
        ("nope", "File", "does not exist on this node"),
        ("file", "Directory", "is not a directory on this node"),
        ("directory", "File", "is not a file on this node"),
        ("file", "Socket", "is not a socket on this node"),
        ("file", "BlockDevice", "is not a block device on this node"),
        ("outside", "", "which is not allowed at this site"),
        ("null", "CharDevice", "which is not allowed at this site"),
    ],
)
def test_a_path_of_another_type_or_place_is_refused(node: Path, name: str, kind: str, words: str) -> None:
    with pytest.raises(MountRefused, match=words):
        node_path(host(node / name, kind), "")


def test_a_device_that_is_allowed_is_known_as_one(node: Path) -> None:
    assert node_path(host(node / "null", "CharDevice", "/dev/null"), "") == (b"/dev/null", True)


def test_a_part_of_a_path_stays_inside_it(node: Path) -> None:
    assert node_path(host(node / "directory"), "f").path.endswith(b"/directory/f")
    (node / "directory/link").symlink_to("../file")
    with pytest.raises(MountRefused, match="leads out of hostPath"):
        node_path(host(node / "directory"), "link")


def mount(target: str, source: str = "emptyDirs/v", **more: Any) -> dict[str, Any]:
    return {"source": source, "target": target, "read_only": False, "host": None, **more}


@needs_mounts
def test_containers_read_and_write_what_the_node_has(job: Job, node: Path) -> None:
    mounts = [
        mount("/data", "", host=host(node / "directory")),
        mount("/ro", "", host=host(node / "directory"), read_only=True),
        mount("/nothing", "", host=host(node / "null", "CharDevice", "/dev/null")),
    ]
    text = "cat /data/f; echo x > /nothing; echo new > /data/g; echo x > /ro/h"
    assert job.run(shell("c", text, mounts=mounts)) == 2
    assert job.log("c").startswith(b"content")
    assert {path.name for path in (node / "directory").iterdir()} == {"f", "g"}


@needs_mounts
def test_a_path_that_is_not_there_is_the_containers_message(job: Job, node: Path) -> None:
    assert job.run(shell("c", "true", mounts=[mount("/data", "", host=host(node / "nope", "Directory"))])) == 125
    end = job.status().containers["c"].ended
    assert end is not None
    assert end.message == f"hostPath {node}/nope does not exist on this node"


def limit(size_bytes: int | None, *, is_memory: bool) -> dict[str, Any]:
    text = f"{size_bytes}"
    return {
        "volume": "v",
        "directory": "emptyDirs/v",
        "size_bytes": size_bytes,
        "text": text,
        "is_memory": is_memory,
    }


@pytest.fixture
def volume(job: Job) -> Path:
    path = job.files.path / "emptyDirs/v"
    path.mkdir(parents=True)
    return path


@needs_mounts
def test_a_volume_in_memory_is_shared_by_the_pod_and_leaves_nothing(job: Job, volume: Path) -> None:
    write = shell("i", "echo shared > /m/f; stat -f -c %T /m", kind="init", mounts=[mount("/m")])
    (volume / "sub").mkdir()
    read = shell("c", "cat /n/m/f; ls /part", mounts=[mount("/n/m"), mount("/part", "emptyDirs/v/sub")])
    assert job.run(write, read, size_limits=[limit(None, is_memory=True)]) == 0
    assert (job.log("i", init=True), job.log("c")) == (b"tmpfs\n", b"shared\n")
    assert [path.name for path in volume.iterdir()] == ["sub"]


@needs_mounts
@pytest.mark.usefixtures("volume")
def test_a_volume_in_memory_is_full_at_its_limit(job: Job) -> None:
    text = "head -c 100000 /dev/zero > /m/f"
    job.run(shell("c", text, mounts=[mount("/m")]), size_limits=[limit(65536, is_memory=True)])
    assert b"No space left on device" in job.log("c")


@needs_mounts
@pytest.mark.usefixtures("volume")
def test_a_probe_sees_a_volume_in_memory(job: Job) -> None:
    liveness = probe("touch", "/m/seen", failure_threshold=100)
    text = "until [ -e /m/seen ]; do sleep 0.01; done"
    container = shell("c", text, mounts=[mount("/m")], probes={"liveness": liveness})
    assert job.run(container, size_limits=[limit(None, is_memory=True)]) == 0


def test_a_pod_whose_volume_holds_more_than_it_may_is_evicted(job: Job, volume: Path) -> None:
    text = (
        f"head -c 100000 /dev/zero > {job.files.path}/emptyDirs/v/f; trap 'exit 0' TERM; while :; do sleep 0.01; done"
    )
    assert job.run(shell("c", text), size_limits=[limit(50_000, is_memory=False)]) == 143
    end = job.status().containers["c"].ended
    assert end is not None
    assert end.reason == "Evicted"
    assert end.message.startswith('Usage of EmptyDir volume "v" exceeds the limit "50000".')


def test_what_vanishes_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"x" * 10_000)
    assert 10_000 <= used_bytes(str(tmp_path)) <= 16_384
    assert used_bytes(str(tmp_path / "none")) == 0
