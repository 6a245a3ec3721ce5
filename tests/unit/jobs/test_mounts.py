"""Mounts made by the real bubblewrap of this machine."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from dte.interlink.jobs.status import Phase
from dte.interlink.jobs.supervisor.programs import sandbox_problem
from tests.unit.jobs.conftest import Job, is_running, order, shell

PROBLEM = sandbox_problem(b"bwrap", 30)
needs_mounts = pytest.mark.skipif(PROBLEM is not None, reason=str(PROBLEM))


def mount(target: str, source: str = "emptyDirs/v", *, read_only: bool = False) -> dict[str, Any]:
    return {"source": source, "target": target, "read_only": read_only}


@pytest.fixture
def volume(job: Job) -> Path:
    """A volume `v` with one file, `f`."""
    path = job.files.path / "emptyDirs/v"
    path.mkdir(parents=True)
    (path / "f").write_text("content")
    return path


@needs_mounts
@pytest.mark.usefixtures("volume")
@pytest.mark.parametrize(
    "target",
    [
        "/var/run/secrets/kubernetes.io/serviceaccount",
        "/data",
        "/a/deep/new/path",
        "/etc/new",
        "/mnt",
        "/tmp/new",
        "/ü x",
    ],
)
def test_a_volume_is_seen_anywhere_and_the_node_stays_as_it_is(job: Job, target: str) -> None:
    before = Path(target).exists()
    assert job.run(shell("c", f"cat '{target}/f'; id -u; ls /usr > /dev/null", mounts=[mount(target)])) == 0
    assert job.log("c").startswith(b"content")
    assert Path(target).exists() == before


@needs_mounts
def test_a_writable_volume_is_shared_and_a_read_only_one_is_not_writable(job: Job, volume: Path) -> None:
    write = shell("i", "echo new > /data/g", kind="init", mounts=[mount("/data")])
    read = shell("c", "cat /data/g; echo x > /data/h", mounts=[mount("/data", read_only=True)])
    assert job.run(write, read) == 2
    assert b"Read-only file system" in job.log("c")
    assert sorted(path.name for path in volume.iterdir()) == ["f", "g"]


@needs_mounts
def test_one_file_of_a_volume_can_be_mounted_over_a_file(job: Job, volume: Path) -> None:
    assert job.run(shell("c", "cat /etc/hostname", mounts=[mount("/etc/hostname", "emptyDirs/v/f")])) == 0
    assert job.log("c") == volume.joinpath("f").read_bytes()


@needs_mounts
@pytest.mark.usefixtures("volume")
def test_a_volume_can_be_mounted_inside_another(job: Job) -> None:
    (job.files.path / "emptyDirs/w").mkdir()
    mounts = [mount("/data/x/y"), mount("/data", "emptyDirs/w")]
    assert job.run(shell("c", "cat /data/x/y/f", mounts=mounts)) == 0


@needs_mounts
@pytest.mark.usefixtures("volume")
def test_a_program_that_means_to_write_beside_a_new_mount_point_fails(job: Job) -> None:
    assert job.run(shell("c", "touch /beside", mounts=[mount("/data")])) == 1
    assert not Path("/beside").exists()


@needs_mounts
@pytest.mark.usefixtures("volume")
def test_exit_codes_and_signals_pass_through(job: Job) -> None:
    mounts = [mount("/data")]
    assert job.run(shell("a", "exit 3", mounts=mounts), shell("b", "kill -9 $$", mounts=mounts)) == 137
    ends = {name: state.ended and state.ended.exit_code for name, state in job.status().containers.items()}
    assert ends == {"a": 3, "b": 137}


@needs_mounts
@pytest.mark.usefixtures("volume")
def test_a_program_that_is_not_there_is_127_with_mounts_too(job: Job) -> None:
    assert job.run(order("c", "no-such-program", mounts=[mount("/data")])) == 127
    ended = job.status().containers["c"].ended
    assert ended is not None
    assert ended.message == "no-such-program: No such file or directory"
    assert job.log("c") == b""


@needs_mounts
@pytest.mark.usefixtures("volume")
def test_a_stop_reaches_the_program_even_when_every_process_is_signalled(job: Job) -> None:
    """As scancel does: TERM goes to bubblewrap, too, which must not die of it before its program."""
    text = "trap 'sleep 0.3; echo bye; exit 6' TERM; echo ready; while :; do sleep 0.01; done"
    job.prepare(shell("c", text, mounts=[mount("/data")]))
    process = job.start()
    job.wait_for_output("c", b"ready")
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, check=True).stdout
    subprocess.run(["kill", "-TERM", str(process.pid), *children.decode().split()], check=True)
    assert process.wait(30) == 6
    assert job.log("c").endswith(b"bye\n")


@needs_mounts
@pytest.mark.usefixtures("volume")
def test_what_ignores_term_in_a_sandbox_is_killed(job: Job) -> None:
    job.prepare(shell("c", "trap '' TERM; echo ready; sleep 1000", mounts=[mount("/data")]), grace_s=0.2)
    process = job.start()
    job.wait_for_output("c", b"ready")
    process.terminate()
    assert process.wait(30) == 137


@needs_mounts
@pytest.mark.usefixtures("volume")
def test_kill_9_of_the_supervisor_ends_a_sandbox(job: Job) -> None:
    job.prepare(shell("c", "echo $$; exec sleep 1000", mounts=[mount("/data")]))
    process = job.start()
    job.wait_for_output("c", b"\n")
    job.wait_for(lambda: job.status().containers["c"].phase is Phase.RUNNING)
    process.kill()
    process.wait(30)
    job.wait_for(lambda: not is_running(int(job.log("c"))))


@needs_mounts
@pytest.mark.usefixtures("volume")
@pytest.mark.parametrize(
    ("target", "text"), [("/", "over /"), ("/proc/x", "no mount point"), ("/etc/passwd", "is a file")]
)
def test_a_mount_that_cannot_be_made_ends_its_container(job: Job, target: str, text: str) -> None:
    assert job.run(order("c", "true", mounts=[mount(target)]), order("d", "true"), restart_policy="OnFailure") == 125
    ended = job.status().containers["c"].ended
    assert ended is not None
    assert ended.reason == "MountRefused"
    assert text in ended.message


@pytest.mark.usefixtures("volume")
def test_without_bubblewrap_a_pod_with_mounts_ends_before_anything_runs(job: Job) -> None:
    containers = [order("c", "true", mounts=[mount("/data")]), order("d", "touch", "ran")]
    assert job.run(*containers, bwrap="no-such-bwrap", restart_policy="Always") == 125
    for state in job.status().containers.values():
        assert state.ended is not None
        assert state.ended.reason == "MountsUnavailable"
        assert "bubblewrap (no-such-bwrap) is not usable on this node" in state.ended.message
    assert not (job.files.work / "ran").exists()


@pytest.mark.usefixtures("volume")
def test_where_bubblewrap_fails_its_words_are_in_the_message(job: Job) -> None:
    fake = job.files.path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    fake.chmod(0o700)
    assert job.run(order("c", "true", mounts=[mount("/data")]), bwrap=str(fake)) == 125
    ended = job.status().containers["c"].ended
    assert ended is not None
    assert "No permissions to create new namespace" in ended.message
    assert "user namespaces" in ended.message


def test_a_pod_without_mounts_needs_no_bubblewrap(job: Job) -> None:
    assert job.run(order("c", "true"), bwrap="no-such-bwrap") == 0
