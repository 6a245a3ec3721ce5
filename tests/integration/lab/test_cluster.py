"""The real Slurm: jobs run, pods' mounts are possible in them, an outage is what it is at a site."""

import pytest

from tests.lab import slurm
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
    return lab_slurm.run(*argv, stdin=script).split()[-1]


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


def last_record(lab_slurm: SlurmLab, job_id: str, fields: str) -> list[str]:
    """The job's record in the accounting database, once it is there."""
    command = ("sacct", "-X", "-n", "-P", "-o", fields, "-j", job_id)
    wait_for("the job's record", lambda: None if lab_slurm.run(*command).strip() else "none yet", 30)
    return lab_slurm.run(*command).strip().split("|")


def test_accounting_knows_account_comment_and_exit_code(lab_slurm: SlurmLab) -> None:
    job_id = submit(lab_slurm, b"#!/bin/sh\nexit 7\n", "--comment=mine", "--output=/dev/null")
    wait_for_end(lab_slurm, job_id)
    fields = "State,ExitCode,Account,Comment"
    assert last_record(lab_slurm, job_id, fields) == ["FAILED", "7:0", "d2026-01", "mine"]


def test_a_job_that_takes_more_memory_than_it_asked_for_is_ended(lab_slurm: SlurmLab) -> None:
    if not slurm.limits_memory():
        pytest.skip("needs cgroup v1")
    script = b"#!/bin/sh\npython3 -c 'bytearray(300 << 20)'\n"
    job_id = submit(lab_slurm, script, "--mem=64", "--output=/dev/null")
    wait_for_end(lab_slurm, job_id)
    assert last_record(lab_slurm, job_id, "State") == ["OUT_OF_MEMORY"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--partition=short", "--cpus-per-task=9"], "at most 8 CPUs"),
        (["--partition=short", "--gres=gpu:h200:1"], "node configuration is not available"),
        (["--partition=short", "--time=20"], "time limit"),
        (["--account=d2026-07"], "Invalid account"),
        (["--licenses=matlab:3"], "Invalid license"),
    ],
    ids=["the site's own rule", "GRES of the other partition", "limit of the partition", "account", "licence"],
)
def test_what_a_site_does_not_allow_is_refused(lab_slurm: SlurmLab, options: list[str], words: str) -> None:
    with pytest.raises(LabError, match=words):
        submit(lab_slurm, b"#!/bin/sh\ntrue\n", "--output=/dev/null", *options)


def test_the_site_renames_jobs_and_greets_whoever_submits(lab_slurm: SlurmLab) -> None:
    submitted = lab_slurm.run("sbatch", "--hold", "--job-name=mine", "--gres=gpu:1", "--wrap=true", "--chdir=/")
    try:
        assert submitted.startswith("Twin computing centre")
        names = lab_slurm.run("squeue", "--noheader", "--format=%j", f"--jobs={submitted.split()[-1]}")
        assert names.strip() == "gpu_mine"
    finally:
        lab_slurm.cancel_all_jobs()


def test_rest_serves_whoever_has_a_token(lab_slurm: SlurmLab) -> None:
    token = lab_slurm.run("scontrol", "token", "username=twin01", user="root").strip().partition("=")[2]
    version = {"trixie": "v0.0.40", "bookworm": "v0.0.38"}[lab_slurm.suite]
    headers = ("-H", "X-SLURM-USER-NAME: twin01", "-H", f"X-SLURM-USER-TOKEN: {token}")
    answer = lab_slurm.run("curl", "-sSf", *headers, f"http://slurm1:6820/slurm/{version}/ping")
    assert '"UP"' in answer


def test_a_daemon_inside_ends_with_its_block(lab_slurm: SlurmLab) -> None:
    with lab_slurm.daemon(["sleep", "600"]) as running:
        assert lab_slurm.run("ps", "-o", "user=,comm=", "-p", str(running.pid)).split() == ["twin01", "sleep"]
    assert running.wait() == 143
    assert lab_slurm.run("ps", "-o", "comm=", "-p", str(running.pid), check=False) == ""
