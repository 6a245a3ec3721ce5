"""Probes, hooks, sidecars, deadlines and messages of real containers."""

from pathlib import Path
from typing import Any

import pytest

from dte.interlink.jobs.status import ContainerState
from dte.interlink.jobs.supervisor.programs import sandbox_problem
from tests.unit.jobs.conftest import Job, hook, is_running, order, probe, shell

PROBLEM = sandbox_problem(b"bwrap", 30)
needs_mounts = pytest.mark.skipif(PROBLEM is not None, reason=str(PROBLEM))

FOREVER = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
WAIT_FOR_GO = "until [ -e go ]; do sleep 0.01; done"


def ended(job: Job, name: str) -> tuple[int, str, str]:
    """Exit code, reason and message of a container that is over."""
    end = job.status().containers[name].ended
    assert end is not None
    return end.exit_code, end.reason, end.message


def last(job: Job, name: str) -> tuple[int, str, str]:
    end = job.status().containers[name].last
    assert end is not None
    return end.exit_code, end.reason, end.message


def state(job: Job, name: str = "c") -> ContainerState | None:
    return job.status().containers[name] if job.files.status.exists() else None


def wait_for_state(job: Job, name: str = "c", **wanted: Any) -> None:
    def has_come() -> bool:
        found = state(job, name)
        return found is not None and all(getattr(found, key) == value for key, value in wanted.items())

    job.wait_for(has_come)


def in_work(job: Job, name: str) -> Path:
    return job.files.work / name


# Probes


def test_a_container_is_ready_as_long_as_its_readiness_probe_says_so(job: Job) -> None:
    job.prepare(shell("c", FOREVER, probes={"readiness": probe("test", "-e", "well")}))
    process = job.start()
    wait_for_state(job, is_started=True, is_ready=False)
    in_work(job, "well").touch()
    wait_for_state(job, is_ready=True)
    in_work(job, "well").unlink()
    wait_for_state(job, is_ready=False)
    process.terminate()
    assert process.wait(30) == 143


def test_readiness_and_liveness_wait_for_the_startup_probe(job: Job) -> None:
    startup = probe("test", "-e", "up", failure_threshold=100_000)
    probes = {"startup": startup, "readiness": probe("true"), "liveness": probe("touch", "asked")}
    job.prepare(shell("c", FOREVER, probes=probes))
    process = job.start()
    job.wait_for_output("c", b"ready")
    wait_for_state(job, is_started=False, is_ready=False)
    assert not in_work(job, "asked").exists()
    in_work(job, "up").touch()
    wait_for_state(job, is_started=True, is_ready=True)
    job.wait_for(in_work(job, "asked").exists)
    process.terminate()
    process.wait(30)


def test_a_container_whose_liveness_probe_fails_is_restarted_and_says_why(job: Job) -> None:
    text = "echo >> runs; [ $(wc -l < runs) = 2 ] && exit 0; trap 'exit 0' TERM; touch up; while :; do sleep 0.01; done"
    liveness = probe("/bin/sh", "-c", "[ -e up ] || exit 0; echo sick; exit 4", failure_threshold=2)
    assert job.run(shell("c", text, probes={"liveness": liveness}), restart_policy="OnFailure") == 0
    words = "liveness probe failed: exit code 4: sick\nended with exit code 0 after it was told to stop"
    assert last(job, "c") == (143, "Error", words)
    assert job.status().containers["c"].restart_count == 1


def test_a_startup_probe_that_fails_ends_what_may_not_restart(job: Job) -> None:
    text = "trap '' TERM; touch deaf; while :; do sleep 0.01; done"
    startup = probe("/bin/sh", "-c", "until [ -e deaf ]; do sleep 0.01; done; exit 1", grace_s=0.05)
    assert job.run(shell("c", text, probes={"startup": startup})) == 137
    assert ended(job, "c") == (137, "Error", "startup probe failed: exit code 1")


def test_a_probe_that_takes_too_long_has_failed_and_is_killed(job: Job) -> None:
    liveness = probe("/bin/sh", "-c", "echo $$ > asked; exec sleep 1000", timeout_s=0.3)
    job.run(order("c", "sleep", "1000", probes={"liveness": liveness}))
    assert "liveness probe failed: /bin/sh timed out after 0.3 s" in ended(job, "c")[2]
    if in_work(job, "asked").exists():
        assert not is_running(int(in_work(job, "asked").read_text()))


def test_a_probe_has_the_environment_of_its_container(job: Job) -> None:
    check = probe("/bin/sh", "-c", '[ "$A" = b ] && touch seen', failure_threshold=100)
    job.prepare(shell("c", "until [ -e seen ]; do sleep 0.01; done", env=[["A", "b"]], probes={"readiness": check}))
    assert job.start().wait(30) == 0


@needs_mounts
def test_a_probe_sees_the_file_system_of_its_container(job: Job) -> None:
    """What the program itself wrote beside its mounts, too: that is in the container's memory only."""
    (job.files.path / "emptyDirs/v").mkdir(parents=True)
    mounts = [{"source": "emptyDirs/v", "target": "/tmp/new/v", "read_only": False}]
    text = "touch /tmp/mine; until [ -s /tmp/new/v/seen ]; do sleep 0.01; done; cat /tmp/new/v/seen"
    check = probe("/bin/sh", "-c", "ls -d /tmp/mine > /tmp/new/v/seen", failure_threshold=100_000)
    assert job.run(shell("c", text, mounts=mounts, probes={"liveness": check})) == 0
    assert job.log("c") == b"/tmp/mine\n"
    assert not Path("/tmp/mine").exists()


def test_a_network_probe_asks_the_port(job: Job) -> None:
    action = {"kind": "tcp", "host": "127.0.0.1", "port": 1}
    job.run(order("c", "sleep", "1000", probes={"liveness": probe(action=action)}))
    assert "liveness probe failed: tcp 127.0.0.1:1: [Errno 111] Connection refused" in ended(job, "c")[2]


# Hooks


def test_the_next_container_starts_when_the_post_start_hook_is_done(job: Job) -> None:
    first = shell("a", WAIT_FOR_GO, hooks={"post_start": hook("sleep 0.1; touch hooked")})
    assert job.run(first, shell("b", "touch go; [ -e hooked ]")) == 0


def test_a_post_start_hook_that_fails_ends_its_container(job: Job) -> None:
    job.run(shell("c", FOREVER, hooks={"post_start": hook("echo no; exit 3")}))
    assert ended(job, "c")[2].startswith("postStart hook failed: exit code 3: no")


def test_the_pre_stop_hook_is_done_before_the_program_is_told(job: Job) -> None:
    text = "trap 'cat order; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    job.prepare(shell("c", text, hooks={"pre_stop": hook("sleep 0.1; echo hook > order")}))
    process = job.start()
    job.wait_for_output("c", b"ready")
    wait_for_state(job, is_started=True)
    process.terminate()
    assert process.wait(30) == 143
    assert job.log("c").endswith(b"hook\n")


def test_a_pre_stop_hook_that_outlasts_the_grace_period_is_not_waited_for(job: Job) -> None:
    job.prepare(
        shell("c", FOREVER, hooks={"pre_stop": {"kind": "sleep", "seconds": 1000}}), grace_s=0.1, least_stop_s=30
    )
    process = job.start()
    job.wait_for_output("c", b"ready")
    wait_for_state(job, is_started=True)
    process.terminate()
    assert process.wait(30) == 143
    assert job.log("c").endswith(b"bye\n")


def test_a_program_that_ends_by_itself_has_no_pre_stop(job: Job) -> None:
    assert job.run(shell("c", "exit 0", hooks={"pre_stop": hook("touch hooked")})) == 0
    assert not in_work(job, "hooked").exists()


def test_the_signal_to_stop_may_be_another(job: Job) -> None:
    job.prepare(shell("c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.01; done", stop_signal=10))
    process = job.start()
    job.wait_for_output("c", b"ready")
    process.terminate()
    assert process.wait(30) == 9


# Sidecars


def sidecar(name: str, text: str = FOREVER, **more: Any) -> dict[str, Any]:
    return shell(name, text, kind="init", is_sidecar=True, restart="Always", **more)


def noted(name: str) -> str:
    return f"trap 'echo {name} >> ends; exit 0' TERM; touch {name}; while :; do sleep 0.01; done"


def test_sidecars_run_beside_the_others_and_end_after_them_in_reverse_order(job: Job) -> None:
    first = sidecar("first", noted("first"))
    second = sidecar(
        "second", noted("second"), probes={"startup": probe("test", "-e", "second", failure_threshold=9999)}
    )
    between = shell("between", "[ -e second ] && echo between >> ends", kind="init")
    main = shell("main", "until [ -e first ]; do sleep 0.01; done; echo main >> ends")
    assert job.run(first, second, between, main) == 0
    assert in_work(job, "ends").read_text().split() == ["between", "main", "second", "first"]
    assert ended(job, "first") == (0, "Completed", "")


def test_how_a_sidecar_ends_does_not_count(job: Job) -> None:
    main = shell("c", "until [ -e up ]; do sleep 0.01; done")
    assert job.run(sidecar("s", "trap '' TERM; touch up; sleep 1000"), main, grace_s=0.1) == 0
    assert ended(job, "s")[:2] == (137, "Error")


def test_a_sidecar_is_restarted_whatever_the_pod_says(job: Job) -> None:
    flaky = sidecar("s", "echo >> runs; [ $(wc -l < runs) -lt 3 ] && exit 0; " + FOREVER)
    assert job.run(flaky, shell("c", "until [ -e runs ] && [ $(wc -l < runs) = 3 ]; do sleep 0.01; done")) == 0
    assert job.status().containers["s"].restart_count == 2


def test_what_follows_waits_for_the_startup_probe_of_a_sidecar(job: Job) -> None:
    up = probe("test", "-e", "up", failure_threshold=100_000)
    late = sidecar("s", "sleep 0.2; touch up; " + FOREVER, probes={"startup": up})
    assert job.run(late, shell("c", "[ -e up ]")) == 0


def test_a_sidecar_ends_with_the_init_container_that_fails(job: Job) -> None:
    assert job.run(sidecar("s"), shell("i", "exit 5", kind="init"), shell("c", "touch ran")) == 5
    assert ended(job, "c")[:2] == (5, "InitContainerFailed")
    assert not in_work(job, "ran").exists()


def test_a_stop_ends_sidecars_after_the_others(job: Job) -> None:
    job.prepare(sidecar("s", noted("s")), shell("c", noted("c")))
    process = job.start()
    job.wait_for(lambda: in_work(job, "c").exists() and in_work(job, "s").exists())
    process.terminate()
    assert process.wait(30) == 143
    assert in_work(job, "ends").read_text().split() == ["c", "s"]
    assert ended(job, "s")[1] == "Stopped"


# Limits


def test_a_pod_over_its_deadline_is_ended_with_that_reason(job: Job) -> None:
    assert job.run(shell("c", FOREVER), deadline_s=0.3, restart_policy="Always") == 143
    code, reason, message = ended(job, "c")
    assert (code, reason) == (143, "DeadlineExceeded")
    assert message.startswith("Pod was active on the node longer than the specified deadline")


def test_a_program_that_does_not_come_up_says_so(job: Job) -> None:
    """As on a file system that hangs: bubblewrap passes its trial, and is never heard of again with mounts."""
    hanging = job.files.path / "bwrap"
    hanging.write_text('#!/bin/sh\n[ "$1" = --dev-bind ] && exit 0\nexec sleep 1000\n')
    hanging.chmod(0o700)
    (job.files.path / "emptyDirs/v").mkdir(parents=True)
    mounts = [{"source": "emptyDirs/v", "target": "/data", "read_only": False}]
    assert job.run(order("c", "true", mounts=mounts), bwrap=str(hanging), start_limit_s=1.5) == 125
    words = "the program did not start within 1.5 s: does a file system of this node hang?"
    assert ended(job, "c") == (125, "StartTimeout", words)


def test_a_bubblewrap_that_hangs_at_once_says_so_too(job: Job) -> None:
    hanging = job.files.path / "bwrap"
    hanging.write_text("#!/bin/sh\nexec sleep 1000\n")
    hanging.chmod(0o700)
    mounts = [{"source": "emptyDirs/v", "target": "/data", "read_only": False}]
    assert job.run(order("c", "true", mounts=mounts), bwrap=str(hanging), start_limit_s=0.1) == 125
    assert ended(job, "c")[1:] == (
        "MountsUnavailable",
        "bubblewrap did not come up within 0.1 s: does a file system of this node hang?",
    )


# Messages


def message_mount(name: str, target: str) -> dict[str, Any]:
    return {"source": f"termination/{name}", "target": target, "read_only": False, "is_optional": False}


@needs_mounts
@pytest.mark.parametrize("path", ["/dev/termination-log", "/tmp/new/message"])
def test_a_container_leaves_a_message(job: Job, path: str) -> None:
    text = f"echo what i did > {path}; head -c 5000 /dev/zero | tr '\\0' x >> {path}; echo > /dev/null; exit 3"
    assert job.run(shell("c", text, mounts=[message_mount("c", path)])) == 3
    assert ended(job, "c")[2] == "what i did\n" + "x" * (4096 - len("what i did\n"))
    assert not Path(path).exists()


@needs_mounts
def test_a_message_is_of_one_run_only(job: Job) -> None:
    text = "[ -e twice ] && exit 4; touch twice; echo first > /dev/termination-log; exit 3"
    flaky = shell("c", text, mounts=[message_mount("c", "/dev/termination-log")], restart="OnFailure")
    job.prepare(flaky, backoff={"first_s": 0.05, "limit_s": 1000, "reset_s": 60})
    process = job.start()
    wait_for_state(job, restart_count=2)
    process.terminate()
    process.wait(30)
    assert last(job, "c")[2] == ""


def test_the_end_of_the_log_is_the_message_of_a_failure_where_the_pod_asks_for_it(job: Job) -> None:
    text = "for i in $(seq 200); do echo $i; done; exit "
    job.run(
        shell("a", text + "1", message_from_log=True),
        shell("b", text + "0", message_from_log=True),
        shell("c", text + "1"),
    )
    assert ended(job, "a")[2] == "".join(f"{number}\n" for number in range(121, 201))
    assert (ended(job, "b")[2], ended(job, "c")[2]) == ("", "")
