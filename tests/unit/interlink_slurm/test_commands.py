"""SlurmCommands against programs that print what Slurm printed, or ended as it did."""

import stat
from pathlib import Path

import pytest

from dte.interlink.sidecars.slurm.batch import PolicyLimit, Submission
from dte.interlink.sidecars.slurm.commands import ProgramCall, SlurmCommands
from dte.runtime.errors import BadOutput, Refused, Unavailable
from tests.unit.interlink_slurm.pods import UID, some_settings

SUBMISSION = Submission(
    UID, "dte1:default/a%20b/x/", Path("/j"), Path("/j/job.slurm"), Path("/j/job.out"), ("--time=5",)
)


def commands(tmp_path, script, **keys):
    """SlurmCommands whose every program is `script`, which gets its own arguments."""
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    paths = {f"{name}Path": str(program) for name in ("Sbatch", "Scancel", "Squeue", "Sinfo", "Sacct")}
    return SlurmCommands(some_settings(tmp_path, **{**paths, **keys}))


def noting(tmp_path, rest):
    return f'printf "%s\\n" "$@" > {tmp_path}/argv; {rest}'


def arguments(tmp_path):
    return (tmp_path / "argv").read_text().splitlines()


async def test_a_submission_is_arguments_only_and_a_clean_environment(tmp_path):
    job_id = await commands(tmp_path, noting(tmp_path, "echo 'Welcome!'; echo '17;twin'")).submit(SUBMISSION)

    assert job_id == "17"
    assert arguments(tmp_path) == [
        "--parsable",
        "--export=NIL",
        "--propagate=NONE",
        "--no-requeue",
        "--time=5",
        f"--job-name={UID}",
        "--comment=dte1:default/a%20b/x/",
        "--output=/j/job.out",
        "--chdir=/j",
        "/j/job.slurm",
    ]


async def test_a_refusal_has_every_line_of_standard_error(tmp_path):
    slurm = commands(tmp_path, "echo 'ask hpc-support' >&2; echo 'sbatch: error: no' >&2; exit 1")

    with pytest.raises(Refused, match=r"sbatch refused \(exit 1\): ask hpc-support\nsbatch: error: no"):
        await slurm.submit(SUBMISSION)


async def test_warnings_of_a_submit_that_worked_are_no_failure(tmp_path):
    assert await commands(tmp_path, "echo 'sbatch: lua: hello' >&2; echo 5").submit(SUBMISSION) == "5"


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param("echo 'Unable to contact slurm controller' >&2; exit 1", Unavailable, id="controller down"),
        pytest.param("echo 'Job violates accounting/QOS policy' >&2; exit 1", PolicyLimit, id="policy"),
        pytest.param("echo Submitted", Unavailable, id="no id printed: it may have worked"),
        pytest.param("sleep 30", Unavailable, id="no answer in time"),
    ],
)
async def test_a_submit_that_fails_says_what_to_do_next(tmp_path, script, error):
    with pytest.raises(error):
        await commands(tmp_path, script, SubmitTimeout=1).submit(SUBMISSION)


async def test_a_program_that_is_not_there_is_again(tmp_path):
    with pytest.raises(Unavailable, match="cannot be started"):
        await SlurmCommands(some_settings(tmp_path, SqueuePath="/nonexistent/squeue")).queue()


async def test_a_look_at_the_queue_asks_for_epoch_times(tmp_path):
    slurm = commands(tmp_path, noting(tmp_path, 'echo "7|7|RUNNING|0:0|None|1|2|N/A|/j|$SLURM_TIME_FORMAT||"'))

    (job,) = (await slurm.queue()).jobs

    assert job.name == "%s"
    assert arguments(tmp_path)[:3] == ["--me", "--noheader", "--states=all"]


async def test_a_failing_squeue_is_again_and_never_an_empty_queue(tmp_path):
    with pytest.raises(Unavailable, match="some reason"):
        await commands(tmp_path, "echo 'some reason' >&2; exit 1").queue()


async def test_ids_for_accounting_go_in_chunks(tmp_path):
    slurm = commands(tmp_path, f"echo call >> {tmp_path}/calls")

    await slurm.accounted([str(number) for number in range(1, 1002)])

    assert len((tmp_path / "calls").read_text().splitlines()) == 3


async def test_a_site_without_accounting_is_told_from_one_whose_database_is_down(tmp_path):
    disabled = commands(tmp_path, "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert await disabled.accounted(["1"]) is None
    assert await SlurmCommands(some_settings(tmp_path, SacctPath="/nonexistent/sacct")).accounted(["1"]) is None

    with pytest.raises(Unavailable):
        await commands(tmp_path, "echo 'Connection refused' >&2; exit 1").accounted(["1"])


@pytest.mark.parametrize(
    "words",
    [
        "scancel: error: Kill job error on job id 6: Invalid job id specified",
        "Job/step already completing or completed",
    ],
)
async def test_ending_a_job_that_is_over_is_done(tmp_path, words):
    await commands(tmp_path, f"echo '{words}' >&2; exit 1").stop("6", UID)


async def test_a_job_is_ended_under_its_name_only(tmp_path):
    for end in ("stop", "signal", "drop", "cancel"):
        await getattr(commands(tmp_path, noting(tmp_path, "exit 0")), end)("6", UID)

        assert f"--name={UID}" in arguments(tmp_path)
        assert arguments(tmp_path)[-1] == "6"


@pytest.mark.parametrize("status", [225, 229])
async def test_ending_a_job_that_is_over_may_fail_without_a_word(tmp_path, status):
    await commands(tmp_path, f"exit {status}").cancel("6", UID)


async def test_ending_a_job_that_slurm_will_not_touch_now_is_again(tmp_path):
    slurm = commands(tmp_path, "echo 'Job can not be altered now, try again later' >&2; exit 228")

    with pytest.raises(Unavailable):
        await slurm.cancel("8", UID)


async def test_sinfo_of_another_shape_is_bad_output(tmp_path):
    with pytest.raises(BadOutput):
        await commands(tmp_path, "echo what").nodes(())


def test_over_ssh_every_argument_is_quoted_once_more():
    call = ProgramCall("sbatch", ("ssh", "-q", "login", "sbatch"))

    argv = call.argv(["--comment=a b; $(touch x)", "/j/job.slurm"], {})

    assert argv == ["ssh", "-q", "login", "sbatch", "'--comment=a b; $(touch x)'", "/j/job.slurm"]


def test_over_ssh_the_environment_travels_by_env():
    call = ProgramCall("squeue", ("ssh", "login", "/opt/slurm/bin/squeue"))

    argv = call.argv(["--me"], {"SLURM_TIME_FORMAT": "%s"})

    assert argv == ["ssh", "login", "env", "SLURM_TIME_FORMAT=%s", "/opt/slurm/bin/squeue", "--me"]


def test_a_local_command_with_leading_words_is_not_quoted():
    assert ProgramCall("squeue", ("nice", "squeue")).argv(["a b"], {}) == ["nice", "squeue", "a b"]
