"""The supervisor as a job runs it: real processes, files and exit codes."""

import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from dte.interlink.jobs import log_files
from dte.interlink.jobs.status import JobStatus, Phase
from dte.interlink.jobs.supervisor.main import HELD_BY_ANOTHER_JOB
from dte.interlink.jobs.supervisor.output import Pump, output_pipe
from tests.unit.jobs.conftest import Job, is_running, order, shell

HOSTILE = ["a'b\"c", "two\nlines", "$(touch x)", "`id`", "\\n", "üñ\N{SNOWMAN}", "", " ", "-rf", "../..", "\x01\x7f"]


def ends(status: JobStatus) -> dict[str, tuple[int, str]]:
    return {
        name: (state.ended.exit_code, state.ended.reason)
        for name, state in status.containers.items()
        if state.ended is not None
    }


def test_output_is_kept_byte_for_byte_and_the_exit_code_is_the_jobs(job: Job) -> None:
    assert job.run(shell("c", r"printf 'a\n\000\377'; printf 'err\n' >&2; exit 3")) == 3
    assert job.log("c") == b"a\n\0\xfferr\n"
    assert job.files.exit_status("c").read_bytes() == b"3\n"
    assert ends(job.status()) == {"c": (3, "Error")}


def test_the_status_tells_job_host_and_times_in_order(job: Job) -> None:
    job.run(shell("c", "exit 0"))
    status = job.status()
    ended = status.containers["c"].ended
    assert ended is not None
    times = [status.started_at, ended.started_at, ended.finished_at, status.finished_at]
    assert times == sorted(times)  # type: ignore[type-var]
    assert (status.job_id, status.host) == ("1", os.uname().nodename)


def test_the_time_files_are_in_upstreams_layout(job: Job) -> None:
    job.run(shell("c", "exit 0"))
    for path in (job.files.started_at, job.files.finished_at):
        moment = time.strptime(path.read_text().split(".")[0], "%Y-%m-%d %H:%M:%S")
        assert abs(time.time() - time.mktime((*moment[:8], 0)) + time.timezone) < 60
        assert path.read_text().endswith(" +0000 UTC")


def test_the_job_has_the_highest_code_of_its_containers(job: Job) -> None:
    assert job.run(shell("a", "exit 2"), shell("b", "exit 7"), shell("c", "exit 0")) == 7
    assert ends(job.status()) == {"a": (2, "Error"), "b": (7, "Error"), "c": (0, "Completed")}


def test_containers_run_side_by_side(job: Job) -> None:
    meet = "touch {me}; while [ ! -e {other} ]; do sleep 0.01; done"
    assert job.run(shell("a", meet.format(me="a", other="b")), shell("b", meet.format(me="b", other="a"))) == 0


def test_init_containers_run_one_after_another_before_the_rest(job: Job) -> None:
    inits = [shell(f"i{number}", f"sleep 0.1; echo {number} >> log", kind="init") for number in (1, 2, 3)]
    assert job.run(*inits, shell("c", "cat log")) == 0
    assert job.log("c") == b"1\n2\n3\n"
    assert job.files.exit_status("i2", init=True).read_bytes() == b"0\n"


def test_the_first_init_container_that_fails_ends_the_pod_with_its_code(job: Job) -> None:
    code = job.run(shell("i", "exit 0", kind="init"), shell("j", "exit 5", kind="init"), shell("c", "touch ran"))
    assert code == 5
    assert ends(job.status()) == {"i": (0, "Completed"), "j": (5, "Error"), "c": (5, "InitContainerFailed")}
    assert not (job.files.work / "ran").exists()


def test_a_program_killed_by_a_signal_has_128_and_its_number(job: Job) -> None:
    assert job.run(shell("c", "kill -9 $$")) == 137
    ended = job.status().containers["c"].ended
    assert ended is not None
    assert (ended.exit_code, ended.signal) == (137, 9)


@pytest.mark.parametrize(
    ("container", "code", "message"),
    [
        (order("c", "no-such-program"), 127, "no-such-program: No such file or directory"),
        (order("c", "/etc/passwd"), 126, "/etc/passwd: Permission denied"),
        (order("c", "true", working_dir="/no/such"), 126, "working directory /no/such: No such file or directory"),
        (order("c", "true", "x" * 200_000), 126, "true: Argument list too long"),
    ],
)
def test_a_program_that_cannot_start_says_why(job: Job, container: dict[str, object], code: int, message: str) -> None:
    assert job.run(container) == code
    ended = job.status().containers["c"].ended
    assert ended is not None
    assert (ended.exit_code, ended.reason, ended.message) == (code, "ContainerCannotRun", message)


def test_arguments_and_variables_arrive_byte_for_byte(job: Job) -> None:
    value = "\n".join(HOSTILE)
    job.run(shell("c", 'printf "%s\\0" "$A" "$@"', "sh", *HOSTILE, env=[["A", value]]))
    assert job.log("c").decode().split("\0")[:-1] == [value, *HOSTILE]


def test_a_container_has_its_variables_and_the_jobs_but_nothing_else(job: Job) -> None:
    job.prepare(order("c", "env", "-0", env=[["A", "1"], ["TMPDIR", "/mine"]]))
    job.start(
        SECRET="s", SLURM_JWT="s", SLURM_EXPORT_ENV="NIL", SLURM_NTASKS="4", TMPDIR="/jobs", CUDA_VISIBLE_DEVICES="0"
    ).wait(30)
    found = dict(item.split("=", 1) for item in job.log("c").decode().split("\0") if item)
    assert {key: found.pop(key) for key in ("A", "TMPDIR", "SLURM_NTASKS", "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES")} == {
        "A": "1",
        "TMPDIR": "/mine",
        "SLURM_NTASKS": "4",
        "SLURM_JOB_ID": "1",
        "CUDA_VISIBLE_DEVICES": "0",
    }
    assert set(found) == {"PATH", "HOME", "USER", "LOGNAME"}


def test_a_container_starts_in_its_working_directory_or_else_in_work(job: Job) -> None:
    job.run(order("a", "pwd"), order("b", "pwd", working_dir="/usr"))
    assert (job.log("a").decode(), job.log("b")) == (f"{job.files.work}\n", b"/usr\n")


OF_THE_C_LIBRARY = 1 << 31 | 1 << 32
"""Signals 32 and 33, which no program can set."""


def test_a_container_has_the_jobs_umask_an_empty_input_and_default_signals(job: Job) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it runs in the background
    try:
        job.run(shell("c", "umask; cat; grep -E 'Sig(Blk|Ign)' /proc/self/status"))
    finally:
        signal.signal(signal.SIGINT, before)
    umask, _, blocked, _, ignored = job.log("c").split()
    assert (umask, int(blocked, 16), int(ignored, 16) & ~OF_THE_C_LIBRARY) == (b"0027", 0, 0)


def test_a_program_may_reopen_its_output(job: Job) -> None:
    job.run(shell("c", "echo 1; echo 2 > /dev/stdout; echo 3 > /dev/stderr"))
    assert job.log("c") == b"1\n2\n3\n"


def test_no_descriptor_of_the_supervisor_reaches_a_program(job: Job) -> None:
    job.run(shell("c", "ls /proc/$$/fd"))
    assert job.log("c").split() == [b"0", b"1", b"2"]


def test_the_index_says_when_bytes_were_written(job: Job) -> None:
    before = time.time_ns()
    seen = f"grep -q a {job.files.log('c')}"
    job.run(shell("c", f"echo a; until {seen}; do sleep 0.01; done; sleep 0.2; echo b"))
    index = log_files.TimeIndex(job.files.log_index("c"))
    assert [index.record(number)[0] for number in range(len(index))] == [0, 2]
    first, second = (index.record(number)[1] for number in range(2))
    assert before <= first <= second - 100_000_000 <= time.time_ns()


def test_much_output_is_complete_and_its_index_small(job: Job) -> None:
    job.run(shell("c", "head -c 100000000 /dev/zero"))
    assert job.files.log("c").stat().st_size == 100_000_000
    assert job.files.log_index("c").stat().st_size < 34 * 1000


def test_a_full_disk_does_not_stop_the_program(tmp_path: Path) -> None:
    log, index = tmp_path / "log", tmp_path / "index"
    reader, writer = output_pipe()
    pump = Pump(reader, str(log), str(index))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, pump.log)
    os.write(writer, b"lost\n")
    os.close(writer)
    pump.run()
    assert pump.lost_bytes == 5
    assert index.stat().st_size == log_files.RECORD_BYTES
    os.close(full)


def test_every_file_is_private_to_the_job(job: Job) -> None:
    job.run(shell("c", "echo; touch made"))
    files = [path for path in job.files.path.rglob("*") if path.is_file() and path != job.files.spec]
    assert not [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o007 and path != job.files.supervisor]


def test_every_change_renames_a_notice_named_by_the_pod(job: Job) -> None:
    job.prepare(shell("c", "sleep 60"))
    process = job.start()
    job.wait_for(lambda: job.files.status.exists() and job.status().containers["c"].phase is Phase.RUNNING)
    job.wait_for(job.files.notice.exists)
    first = job.files.notice.stat().st_ino
    process.terminate()
    process.wait(30)
    assert job.files.notice.stat().st_ino != first
    assert [path.name for path in job.files.notices.iterdir()] == [job.files.uid]


def test_a_missing_notice_directory_stops_nothing(job: Job) -> None:
    job.files.notices.rmdir()
    assert job.run(shell("c", "exit 4")) == 4


# Processes that a container leaves


def test_what_a_program_left_in_the_background_is_killed_with_it(job: Job) -> None:
    job.run(shell("c", "sleep 1000 & echo $!"))
    assert not is_running(int(job.log("c")))


def test_what_left_its_session_is_killed_with_the_pod(job: Job) -> None:
    job.run(
        shell("c", "setsid sh -c 'echo $$; touch up; exec sleep 1000 >&- 2>&-' & until [ -e up ]; do sleep 0.01; done")
    )
    assert not is_running(int(job.log("c")))


# The claim


def test_of_two_jobs_started_together_one_runs_the_pod(job: Job) -> None:
    job.prepare(shell("c", "echo $SLURM_JOB_ID >> ran; sleep 0.3"))
    first, second = job.start("1"), job.start("2")
    assert sorted([first.wait(30), second.wait(30)]) == [0, HELD_BY_ANOTHER_JOB]
    holder = job.files.claim.read_text()
    assert (job.files.work / "ran").read_text() == holder
    assert job.status().job_id + "\n" == holder


def test_a_second_job_says_who_holds_the_claim_and_changes_nothing(job: Job) -> None:
    job.run(shell("c", "exit 3"))
    before = job.files.status.read_bytes()
    second = job.start("2")
    assert second.wait(30) == HELD_BY_ANOTHER_JOB
    assert second.stdout is not None
    assert second.stdout.read() == b"supervisor: job 1 holds the claim on this pod; job 2 runs nothing\n"
    assert job.files.status.read_bytes() == before


def test_a_requeued_job_that_had_finished_does_not_run_again(job: Job) -> None:
    job.prepare(shell("c", "echo >> ran; exit 3"))
    assert [job.start("1").wait(30) for _ in range(2)] == [3, 3]
    assert (job.files.work / "ran").read_text() == "\n"


def test_a_requeued_job_that_had_not_finished_starts_over(job: Job) -> None:
    job.prepare(shell("i", "echo i", kind="init"), shell("c", "echo c; [ -e go ]"))
    first = job.start("1")
    job.files.work.joinpath("go").touch()
    first.kill()
    first.wait(30)
    assert job.start("1").wait(30) == 0
    assert job.log("c") == b"c\n"


def test_kill_9_leaves_whole_files_and_no_processes(job: Job) -> None:
    job.prepare(shell("i", "exit 0", kind="init"), shell("c", "echo $$; exec sleep 1000"))
    process = job.start()
    job.wait_for_output("c", b"\n")
    job.wait_for(lambda: job.status().containers["c"].phase is Phase.RUNNING)
    process.kill()
    process.wait(30)
    job.wait_for(lambda: not is_running(int(job.log("c"))))
    assert ends(job.status()) == {"i": (0, "Completed")}
    assert not job.files.exit_status("c").exists()


# Restarts


def test_on_failure_restarts_until_it_succeeds(job: Job) -> None:
    flaky = shell("c", "echo >> runs; echo run $(wc -l < runs); [ $(wc -l < runs) = 3 ] || exit 9")
    assert job.run(flaky, shell("d", "echo >> d"), restart_policy="OnFailure") == 0
    state = job.status().containers["c"]
    assert state.restart_count == 2
    assert state.last is not None
    assert (state.last.exit_code, state.ended and state.ended.exit_code) == (9, 0)
    assert job.files.previous_log("c").read_bytes() == b"run 2\n"
    assert job.log("c") == b"run 3\n"
    assert (job.files.work / "d").read_text() == "\n"


def test_init_containers_are_restarted_too(job: Job) -> None:
    flaky = shell("i", "echo >> runs; [ $(wc -l < runs) = 2 ]", kind="init")
    assert job.run(flaky, shell("c", "cat runs"), restart_policy="OnFailure") == 0
    assert job.log("c") == b"\n\n"


def test_always_restarts_also_what_succeeded_until_it_is_stopped(job: Job) -> None:
    job.prepare(shell("c", "echo >> runs"), restart_policy="Always")
    process = job.start()
    runs = job.files.work / "runs"
    job.wait_for(lambda: runs.exists() and len(runs.read_text()) >= 3)
    job.wait_for(lambda: job.status().containers["c"].phase is Phase.WAITING)
    process.terminate()
    assert process.wait(30) == 143
    state = job.status().containers["c"]
    assert state.restart_count >= 2


def test_the_back_off_doubles_up_to_its_limit(job: Job) -> None:
    job.prepare(
        order("c", "false"), restart_policy="OnFailure", backoff={"first_s": 0.01, "limit_s": 0.04, "reset_s": 60}
    )
    process = job.start()
    job.wait_for(lambda: job.files.status.exists() and job.status().containers["c"].restart_count >= 4)
    job.wait_for(lambda: job.status().containers["c"].message == "back-off 0.04s restarting failed container")
    process.terminate()
    process.wait(30)


# Stopping


def test_term_reaches_every_container_and_the_grace_period_is_theirs(job: Job) -> None:
    polite = "trap 'echo bye; sleep 0.2; echo done; exit 6' TERM; echo ready; while :; do sleep 0.01; done"
    job.prepare(shell("a", polite), order("b", "sleep", "1000"))
    process = job.start()
    job.wait_for_output("a", b"ready")
    job.wait_for(lambda: job.status().containers["b"].phase is Phase.RUNNING)
    process.terminate()
    assert process.wait(30) == 143
    assert job.log("a").endswith(b"bye\ndone\n")
    assert ends(job.status()) == {"a": (6, "Stopped"), "b": (143, "Stopped")}


def test_what_ignores_term_is_killed_after_the_grace_period(job: Job) -> None:
    job.prepare(shell("c", "trap '' TERM; echo ready; while :; do sleep 1000; done"), grace_s=0.3)
    process = job.start()
    job.wait_for_output("c", b"ready")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 137
    assert ends(job.status()) == {"c": (137, "Stopped")}


def test_what_was_stopped_never_looks_complete(job: Job) -> None:
    job.prepare(shell("c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done"))
    process = job.start()
    job.wait_for_output("c", b"ready")
    process.terminate()
    assert process.wait(30) == 143
    ended = job.status().containers["c"].ended
    assert ended is not None
    assert (ended.exit_code, ended.message) == (143, "ended with exit code 0 after it was told to stop")


def test_a_stop_keeps_the_containers_from_starting_that_have_not(job: Job) -> None:
    job.prepare(shell("i", "echo ready; sleep 1000", kind="init"), shell("c", "touch ran"), restart_policy="OnFailure")
    process = job.start()
    job.wait_for_output("i", b"ready", init=True)
    process.terminate()
    assert process.wait(30) == 143
    assert ends(job.status()) == {"i": (143, "Stopped"), "c": (143, "Stopped")}
    assert not (job.files.work / "ran").exists()


def test_user_signals_are_passed_on(job: Job) -> None:
    job.prepare(shell("c", "trap 'echo got; exit 8' USR1; echo ready; while :; do sleep 0.01; done"))
    process = job.start()
    job.wait_for_output("c", b"ready")
    process.send_signal(signal.SIGUSR1)
    assert process.wait(30) == 8


def test_the_status_file_is_whole_at_any_moment(job: Job) -> None:
    job.prepare(*[shell(f"c{number}", "sleep 0.05") for number in range(3)])
    process = job.start()
    seen = 0
    while process.poll() is None:
        if job.files.status.exists():
            assert len(json.loads(job.files.status.read_bytes())["containers"]) == 3
            seen += 1
    assert seen > 0
