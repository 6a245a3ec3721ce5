import pytest

from dte.interlink.sidecars.slurm.refusals import Answer, answer_of, words_of


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "slurm_load_jobs error: Unexpected message received",
        "scancel: error: Kill job error on job id 8: Job can not be altered now, try again later",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)",
        "sbatch: error: Batch job submission failed: Requested reservation not usable now",
        "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates "
        "accounting/QOS policy (job submit limit, user's size and/or time limits)",
        'sbatch: error: Munge encode failed: Failed to access "/run/munge/munge.socket.2"',
        "ssh: connect to host login.example port 22: No route to host",
        "sbatch: error: resolve_ctls_from_dns_srv: res_nsearch error\nsbatch: fatal: Could not establish a "
        "configuration source",
    ],
)
def test_what_may_pass_later_is_again(words):
    assert answer_of(words) is Answer.AGAIN


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Invalid partition name specified",
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
        "sbatch: error: Batch job submission failed: Requested node configuration is not available",
        "sbatch: error: Batch job submission failed: Requested reservation is invalid",
        "sbatch: error: Invalid --time specification",
        "sbatch: unrecognized option '--nosuch'",
        "sbatch: error: this site asks for a project code",
        "",
    ],
)
def test_what_never_passes_and_what_is_not_known_is_final(words):
    assert answer_of(words) is Answer.FINAL


def test_policy_without_a_submit_limit_is_policy():
    words = (
        "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: "
        "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
    )

    assert answer_of(words) is Answer.POLICY


def test_an_account_that_the_controller_cannot_look_up_now_is_a_matter_of_policy():
    assert answer_of("sbatch: error: Batch job submission failed: Invalid user id") is Answer.POLICY


def test_words_are_all_lines_of_standard_error():
    assert words_of(b"  ask hpc-support\n\nsbatch: error: no\n", 1) == "ask hpc-support\nsbatch: error: no"


def test_a_silent_failure_has_its_exit_status_as_words():
    assert words_of(b"", 228) == "no words, exit status 228"
