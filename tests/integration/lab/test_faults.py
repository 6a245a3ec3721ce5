"""Each fault of the lab does what it says, and is gone when its block ends."""

import os
import time
from collections.abc import Sequence

import pytest

from tests.lab import engine, faults, hosts, site
from tests.lab.fixtures import SlurmLab
from tests.lab.names import Lab, LabError, this_lab, wanted_suite
from tests.lab.progress import wait_for

SBATCH = ("sbatch", "--parsable", "--chdir=/exa/twin01", "--output=/dev/null")


@pytest.fixture(scope="module")
def lab() -> Lab:
    site.up(this_lab(), ["hosts"], wanted_suite(os.environ))
    return this_lab()


@pytest.fixture(scope="module")
def edge(lab: Lab) -> str:
    return lab.container(hosts.EDGE)


def submit(slurm: SlurmLab, *options: str) -> str:
    return slurm.run(*SBATCH, *options).split()[-1]


def wait_for_job(slurm: SlurmLab, job_id: str, words: str) -> None:
    """Until `STATE REASON` of the job is `words`."""

    def other() -> str | None:
        seen = slurm.run("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%T %r").strip()
        return None if seen == words else seen

    wait_for(f"job {job_id} {words}", other, 30)


def as_twin01(edge: str, *argv: str) -> str:
    return engine.execute(edge, [*hosts.as_account("twin01"), *argv])


def test_without_the_controller_nobody_submits(lab_slurm: SlurmLab) -> None:
    with faults.controller_down(lab_slurm.container), pytest.raises(LabError):
        lab_slurm.run("timeout", "3", "squeue")
    lab_slurm.run("timeout", "10", "squeue")


def test_without_the_database_accounting_fails_and_jobs_run(lab_slurm: SlurmLab) -> None:
    with faults.database_down(lab_slurm.container):
        with pytest.raises(LabError):
            lab_slurm.run("sacct")
        wait_for_job(lab_slurm, submit(lab_slurm, "--wrap=true"), "COMPLETED None")
    lab_slurm.run("sacct")


def test_a_rate_limit_makes_clients_wait_without_a_word(lab_slurm: SlurmLab) -> None:
    if lab_slurm.suite == "bookworm":
        pytest.skip("Slurm 22.05 has no rl_enable")
    with faults.rate_limited(lab_slurm.container, bucket=2):
        started = time.monotonic()
        lab_slurm.run("sh", "-c", "for _ in 1 2 3; do squeue --me; done")
        assert time.monotonic() - started > 2
    assert "rl_enable" not in lab_slurm.run("scontrol", "show", "config")


def test_ids_begin_at_one_again_when_the_controller_lost_its_state(lab_slurm: SlurmLab) -> None:
    submit(lab_slurm, "--wrap=true")
    faults.controller_state_lost(lab_slurm.container)
    assert submit(lab_slurm, "--wrap=true") == "1"


def test_accounting_that_was_lost_knows_the_accounts_and_no_job(lab_slurm: SlurmLab) -> None:
    faults.accounting_lost(lab_slurm.container)
    assert lab_slurm.run("sacct", "-n", "-S", "now-7days").strip() == ""
    assert submit(lab_slurm, "--account=d2026-01", "--wrap=true") == "1"


def test_jobs_of_a_lost_node_fail_and_the_node_comes_back(lab_slurm: SlurmLab) -> None:
    job_id = submit(lab_slurm, "--no-requeue", "--nodelist=n3", "--wrap=sleep 300")
    wait_for_job(lab_slurm, job_id, "RUNNING None")
    with faults.node_lost(lab_slurm.container, "n3"):
        wait_for_job(lab_slurm, job_id, "NODE_FAIL NodeDown")
    job_id = submit(lab_slurm, "--nodelist=n3", "--wrap=true")
    wait_for_job(lab_slurm, job_id, "COMPLETED None")


def test_an_inactive_partition_takes_nothing(lab_slurm: SlurmLab) -> None:
    with faults.partition_state(lab_slurm.container, "short", "INACTIVE"), pytest.raises(LabError, match="inactive"):
        submit(lab_slurm, "--partition=short", "--wrap=true")
    wait_for_job(lab_slurm, submit(lab_slurm, "--partition=short", "--wrap=true"), "COMPLETED None")


def test_nothing_starts_during_maintenance(lab_slurm: SlurmLab) -> None:
    with faults.maintenance(lab_slurm.container):
        job_id = submit(lab_slurm, "--wrap=true")
        reason = "ReqNodeNotAvail, Reserved for maintenance" if lab_slurm.suite == "trixie" else "ReqNodeNotAvail"
        wait_for_job(lab_slurm, job_id, f"PENDING {reason}")
    wait_for_job(lab_slurm, job_id, "COMPLETED None")


def test_reading_its_files_again_keeps_jobs(lab_slurm: SlurmLab) -> None:
    job_id = submit(lab_slurm, "--wrap=sleep 2")
    faults.reconfigure(lab_slurm.container)
    wait_for_job(lab_slurm, job_id, "COMPLETED None")


def test_a_cut_network_is_silence_in_both_directions(lab: Lab, edge: str) -> None:
    cluster = lab.container("slurm1")
    addresses = {name: engine.address(name, lab.network) for name in (cluster, edge)}
    with faults.cut(edge, addresses[cluster]):
        for host, other in ((edge, addresses[cluster]), (cluster, addresses[edge])):
            with pytest.raises(LabError, match="Timeout was reached|timed out"):
                engine.execute(host, ["curl", "--silent", "--show-error", "--connect-timeout", "1", other])
    as_twin01(edge, "timeout", "10", "sinfo")


def test_accounts_are_unknown_while_their_database_is_away(edge: str) -> None:
    with faults.accounts_away(edge), pytest.raises(LabError):
        engine.execute(edge, ["getent", "passwd", "twin01"])
    assert engine.execute(edge, ["getent", "passwd", "twin01"]).startswith("twin01:x:2001:")


def test_a_host_keeps_files_and_address_over_a_reboot(lab: Lab, edge: str) -> None:
    before = engine.address(edge, lab.network)
    engine.execute(edge, ["touch", "/var/kept", "/run/gone"])
    faults.reboot(edge)
    assert engine.address(edge, lab.network) == before
    assert engine.execute(edge, ["sh", "-c", "ls -d /var/kept /run/gone 2> /dev/null; true"]) == "/var/kept\n"
    as_twin01(edge, "timeout", "10", "sinfo")


def test_a_killed_unit_is_gone_and_a_frozen_one_is_there(edge: str) -> None:
    run = ["systemd-run", "--quiet", "--unit=victim", "--collect", "/usr/bin/sleep", "600"]
    state = ["systemctl", "show", "--value", "--property=ActiveState", "victim"]
    engine.execute(edge, run)
    with faults.frozen(edge, "victim"):
        assert process_states(edge, "/usr/bin/sleep 600") == ["T"]
    assert process_states(edge, "/usr/bin/sleep 600") == ["S"]
    faults.kill_unit(edge, "victim")
    wait_for(
        "the end of the unit", lambda: None if engine.execute(edge, state).strip() == "inactive" else "it runs", 10
    )


def process_states(host: str, command: str) -> Sequence[str]:
    listed = engine.execute(host, ["ps", "-e", "--no-headers", "-o", "stat=,args="]).splitlines()
    return [line.split()[0][0] for line in listed if line.split(maxsplit=1)[1] == command]


def test_a_full_file_system_is_full_on_every_host(lab: Lab, edge: str) -> None:
    write = ["cp", "/etc/hostname", "/exa/twin02/new"]
    with faults.full(edge, "/exa/twin02"):
        for host in (edge, lab.container("slurm1")):
            with pytest.raises(LabError, match="No space left"):
                engine.execute(host, write)
    engine.execute(edge, write)


def test_a_directory_behind_sshfs_has_the_same_files_and_hangs_on_request(edge: str) -> None:
    as_twin01(edge, "sh", "-c", "mkdir -p /exa/twin01/slow && echo same > /exa/twin01/slow/file")
    with faults.over_sshfs(edge, "/exa/twin01/slow", "twin01") as slow:
        assert as_twin01(edge, "cat", "/exa/twin01/slow/file") == "same\n"
        with slow.hanging(), pytest.raises(LabError, match="exit 137"):
            as_twin01(edge, "timeout", "--signal=KILL", "2", "ls", "/exa/twin01/slow")
        as_twin01(edge, "sh", "-c", "echo written > /exa/twin01/slow/file")
    assert as_twin01(edge, "cat", "/exa/twin01/slow/file") == "written\n"


def test_an_unmounted_directory_is_empty_until_it_is_back(edge: str) -> None:
    engine.execute(edge, ["touch", "/exa/twin02/there"])
    with faults.unmounted(edge, "/exa/twin02"):
        assert engine.execute(edge, ["ls", "/exa/twin02"]) == ""
    engine.execute(edge, ["test", "-e", "/exa/twin02/there"])
