"""The real Slurm: jobs run, pods' mounts are possible in them, an outage is what it is at a site."""

import pytest

from tests.lab.fixtures import SlurmLab
from tests.lab.names import LabError
from tests.lab.progress import wait_for

MOUNTS = b"""#!/bin/sh
mkdir -p volume && echo content > volume/file
bwrap --dev-bind / / --ro-bind "$PWD/volume" /mnt --unshare-pid --proc /proc -- \\
  sh -c 'id -un; cat /mnt/file; touch /mnt/new'
exit 3
"""


def submit(lab_slurm: SlurmLab, script: bytes, *options: str) -> str:
    argv = ("sbatch", "--parsable", "--export=NIL", "--chdir=/exa/twin01", *options)
    return lab_slurm.run(*argv, stdin=script).strip()


def wait_for_end(lab_slurm: SlurmLab, job_id: str) -> None:
    def running() -> str | None:
        states = lab_slurm.run("squeue", "--noheader", "--format=%T", "--jobs", job_id).split()
        return f"job {job_id} is {states}" if states else None

    wait_for("the job's end", running, 60)


def test_a_job_mounts_a_volume_as_its_own_account(lab_slurm: SlurmLab) -> None:
    job_id = submit(lab_slurm, MOUNTS, "--output=mounts-%j.out")
    wait_for_end(lab_slurm, job_id)
    output = lab_slurm.run("cat", f"/exa/twin01/mounts-{job_id}.out")
    assert output.splitlines()[:2] == ["twin01", "content"]
    assert "Read-only file system" in output
    assert "ExitCode=3:0" in lab_slurm.run("scontrol", "show", "job", job_id)


def test_the_directory_of_an_account_is_its_own(lab_slurm: SlurmLab) -> None:
    with pytest.raises(LabError, match="Permission denied"):
        lab_slurm.run("ls", "/exa/twin01", user="twin02")


def test_commands_fail_while_the_controller_is_down(lab_slurm: SlurmLab) -> None:
    lab_slurm.stop_controller()
    try:
        with pytest.raises(LabError):
            lab_slurm.run("timeout", "3", "squeue")
    finally:
        lab_slurm.start_controller()
    lab_slurm.run("timeout", "10", "squeue")


def test_a_daemon_inside_ends_with_its_block(lab_slurm: SlurmLab) -> None:
    with lab_slurm.daemon(["sleep", "600"]) as running:
        assert lab_slurm.run("ps", "-o", "user=,comm=", "-p", str(running.pid)).split() == ["twin01", "sleep"]
    assert running.wait() == 143
    assert lab_slurm.run("ps", "-o", "comm=", "-p", str(running.pid), check=False) == ""
