"""Faults of the cluster: `slurm1` is its container."""

import contextlib
from collections.abc import Iterator

from tests.lab import engine
from tests.lab.names import LabError
from tests.lab.progress import wait_for

CONFIG = "/etc/slurm/slurm.conf"
NODE_LIMIT_S = 60.0
RECONFIGURE_LIMIT_S = 30.0


def _run(slurm1: str, *argv: str) -> str:
    return engine.execute(slurm1, argv)


@contextlib.contextmanager
def controller_down(slurm1: str) -> Iterator[None]:
    """slurmctld does not run: squeue, sbatch and scancel fail after their own time-outs."""
    _run(slurm1, "slurm-daemons", "stop-controller")
    try:
        yield
    finally:
        _run(slurm1, "slurm-daemons", "start-controller")


@contextlib.contextmanager
def database_down(slurm1: str) -> Iterator[None]:
    """slurmdbd does not run: sacct fails at once, the controller goes on with what it knows."""
    _run(slurm1, "systemctl", "stop", "slurmdbd.service")
    try:
        yield
    finally:
        _run(slurm1, "slurm-daemons", "start-database")


@contextlib.contextmanager
def rate_limited(slurm1: str, *, bucket: int, per_second: int = 1) -> Iterator[None]:
    """Each user may ask the controller `bucket` times in a burst, then `per_second`; clients wait without a word.

    Slurm 23.02 and later; older ones ignore it.
    """
    parameters = f"SlurmctldParameters=rl_enable,rl_bucket_size={bucket},rl_refill_rate={per_second}"
    _run(slurm1, "sh", "-c", 'cp --preserve "$1" "$1.before" && echo "$2" >> "$1"', "sh", CONFIG, parameters)
    try:
        restart_controller(slurm1)
        yield
    finally:
        _run(slurm1, "mv", f"{CONFIG}.before", CONFIG)
        restart_controller(slurm1)


def restart_controller(slurm1: str) -> None:
    """Stop slurmctld and start it; returns when it answers."""
    with controller_down(slurm1):
        pass


def controller_state_lost(slurm1: str) -> None:
    """The controller's state directory is empty: ids begin at 1 again, jobs that run are not known any more."""
    with controller_down(slurm1):
        _run(slurm1, "find", "/var/lib/slurm/slurmctld", "-mindepth", "1", "-delete")


def accounting_lost(slurm1: str) -> None:
    """Controller and accounting both begin anew, as after a restore of nothing."""
    with controller_down(slurm1):
        _run(slurm1, "find", "/var/lib/slurm/slurmctld", "-mindepth", "1", "-delete")
        _run(slurm1, "slurm-daemons", "reset-database")


@contextlib.contextmanager
def node_lost(slurm1: str, node: str) -> Iterator[None]:
    """A node loses its power: slurmd and all its jobs' processes are gone, and the controller is told at once.

    By itself it would find out after SlurmdTimeout, 30 s here.
    """
    _run(slurm1, "systemctl", "kill", "--signal=KILL", f"slurmd@{node}.service")
    _run(slurm1, "systemctl", "stop", f"slurmd@{node}.service")
    _run(slurm1, "scontrol", "update", f"nodename={node}", "state=down", "reason=lost")
    try:
        yield
    finally:
        _run(slurm1, "systemctl", "reset-failed", f"slurmd@{node}.service")
        _run(slurm1, "systemctl", "start", f"slurmd@{node}.service")
        # It says so itself when it registers; asking once more is an error then.
        engine.execute(slurm1, ["scontrol", "update", f"nodename={node}", "state=resume"], check=False)
        wait_for(f"node {node}", lambda: _not_usable(slurm1, node), NODE_LIMIT_S)


def _not_usable(slurm1: str, node: str) -> str | None:
    state = _run(slurm1, "sinfo", "--noheader", f"--nodes={node}", "--partition=main", "--format=%t").strip()
    return None if state in {"idle", "mix", "alloc"} else f"it is {state}"


@contextlib.contextmanager
def partition_state(slurm1: str, partition: str, state: str) -> Iterator[None]:
    """A partition is DOWN (queues, starts nothing), DRAIN (takes nothing) or INACTIVE (neither)."""
    _run(slurm1, "scontrol", "update", f"partitionname={partition}", f"state={state}")
    try:
        yield
    finally:
        _run(slurm1, "scontrol", "update", f"partitionname={partition}", "state=UP")


@contextlib.contextmanager
def maintenance(slurm1: str) -> Iterator[None]:
    """A reservation MAINT on all nodes from now on: what runs goes on, nothing starts."""
    words = ("starttime=now", "duration=60", "users=root", "flags=maint,ignore_jobs", "nodes=ALL")
    name = _run(slurm1, "scontrol", "create", "reservation", *words).split()[-1]
    try:
        yield
    finally:
        _run(slurm1, "scontrol", "delete", f"reservationname={name}")


def reconfigure(slurm1: str) -> None:
    """The controller and the nodes read their files again. A controller that is busy refuses: it is asked again."""

    def refusal() -> str | None:
        try:
            _run(slurm1, "scontrol", "reconfigure")
        except LabError as error:
            return str(error)
        return None

    wait_for("the controller to read its files again", refusal, RECONFIGURE_LIMIT_S)
