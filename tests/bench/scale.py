"""A thousand pods on one virtual node: how soon their ends are seen, what the daemons weigh, what Slurm is asked.

`python -m tests.bench.scale [--pods N] [--sshfs] [--waiting N]` runs one part of it on the running site. The sidecar's
job root is the lab's, local; with --sshfs the edge sees the same directory through sshfs, which has no file events.
"""

import argparse
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from tests.bench import pods
from tests.bench.pods import NODE
from tests.bench.table import Row, table
from tests.lab import demo, faults, running
from tests.lab.running import ACCOUNT, POLLS, Site

PODS = 1000
WAITING = 5000
JOB_ROOT = f"/exa/{ACCOUNT}/interlink"
SLEEPS_S = (1, 2, 3, 4, 5)
STALLED_S = 300.0
"""Nothing happened for so long: something is broken."""
STEADY_S = 30.0
MIB = 1024
MEMORY_BUDGET = "<= 150 MB"

# Prints the pod's UID and the end that the job's supervisor noted, for every job directory.
_ENDS = """
import json, pathlib, sys
for path in pathlib.Path(sys.argv[1]).glob("*/status.json"):
    end = json.loads(path.read_text()).get("finished_at")
    if end:
        print(path.parent.name[-36:], end)
"""


@dataclass(frozen=True, slots=True)
class Part:
    """One way to run it, and its budgets for the ends (median, 99th percentile, last)."""

    name: str
    is_sshfs: bool
    budgets: tuple[str, str, str]


LOCAL = Part("local job root", is_sshfs=False, budgets=("< 1 s", "< 5 s", "-"))
SSHFS = Part("job root by sshfs", is_sshfs=True, budgets=("< 4 s", "< 8 s", "-"))


def rows(site: Site, count: int = PODS) -> Iterator[Row]:
    """Each figure when it is ready. Takes as long as the machine needs for so many jobs, twice."""
    for part in (LOCAL, SSHFS):
        with job_root_by_sshfs(site) if part.is_sshfs else nullcontext():
            yield from ends(site, part, count)
    yield from waiting(site, WAITING)


@contextmanager
def job_root_by_sshfs(site: Site) -> Iterator[None]:
    """The sidecar of the edge sees its job root by sshfs; jobs see the same directory as before."""
    units = tuple(f"interlink-slurm@{ACCOUNT}.{kind}" for kind in ("socket", "service"))
    with faults.over_sshfs(site.hosts["edge"]["container"], JOB_ROOT, ACCOUNT):
        try:
            # It finds out what file system it is on when it starts.
            site.on("edge", "systemctl", "restart", *units)
            yield
        finally:
            site.on("edge", "systemctl", "stop", *units)
    site.on("edge", "systemctl", "start", *units)


def ends(site: Site, part: Part, count: int) -> Iterator[Row]:
    """So many pods at once, from apply to the last Succeeded."""
    what = f"{count} pods, {part.name}"
    commands = {f"scale-{index:05}": f"sleep {SLEEPS_S[index % len(SLEEPS_S)]}" for index in range(count)}
    with _watching(site) as seen, pods.applied(site, commands):
        start = time.monotonic()
        uids = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods.listed(site)}
        _wait_until(seen, lambda: len(seen.job_ids) == count)
        submitted_s = time.monotonic() - start
        polls, calls = site.metric(*POLLS), site.slurm_rpcs()
        _wait_until(seen, lambda: len(seen.ends) == count)
        total_s = time.monotonic() - start
        polls, calls = site.metric(*POLLS) - polls, site.slurm_rpcs() - calls
        finished = _finished(site)
        delays = sorted(seen.ends[name] - finished[uid] for name, uid in uids.items())
        weights = memory(site)
    method = (
        f"{count} pods of 1 to 5 s on {NODE}; all submitted after {submitted_s:.0f} s, all over after {total_s:.0f} s"
    )
    names = ("median", "99 %", "last")
    values = (percentile(delays, 0.5), percentile(delays, 0.99), delays[-1])
    for name, value, budget in zip(names, values, part.budgets, strict=True):
        yield Row(f"{what}: end to Succeeded, {name}", f"{value:.2f} s", budget, "10 s a pod", method)
    figure = f"{calls / polls:.1f}" if polls else "no round"
    yield Row(
        f"{what}: Slurm RPCs per round",
        figure,
        "<= 3",
        f"{3 * (count + 1)}",
        "sdiag, once all were submitted; with the sinfo of pings",
    )
    yield from weights_rows(what, weights)


def waiting(site: Site, count: int) -> Iterator[Row]:
    """So many pods whose jobs run or wait: what the daemons weigh, and how long a look at the queue takes."""
    what = f"{count} pods that run or wait"
    commands = {f"wait-{index:05}": "sleep 100000" for index in range(count)}
    with _room_for(site, count), _watching(site) as seen, pods.applied(site, commands):
        _wait_until(seen, lambda: len(seen.job_ids) == count)
        before = _polls(site)
        time.sleep(STEADY_S)
        after = _polls(site)
        yield from weights_rows(what, memory(site))
        looks = after[0] - before[0]
        figure = f"{(after[1] - before[1]) / looks:.2f} s" if looks else "no round"
        yield Row(f"{what}: a look at the queue", figure, "-", "-", f"mean of {looks:.0f} over {STEADY_S:.0f} s")


@contextmanager
def _room_for(site: Site, count: int) -> Iterator[None]:
    """The sidecar takes so many jobs at once."""
    unit, config = f"interlink-slurm@{ACCOUNT}.service", f"/etc/dte/interlink-slurm/{ACCOUNT}.yaml"
    site.on("edge", "cp", "--preserve", config, f"{config}.kept")
    site.on("edge", "sed", "--in-place", f"s/^MaxJobs:.*/MaxJobs: {count}/", config)
    site.on("edge", "systemctl", "restart", unit)
    try:
        yield
    finally:
        site.on("edge", "mv", f"{config}.kept", config)
        site.on("edge", "systemctl", "restart", unit)


def weights_rows(what: str, weights: dict[str, float]) -> Iterator[Row]:
    for daemon, mebibytes in weights.items():
        yield Row(f"{what}: memory of {daemon}", f"{mebibytes:.0f} MB", MEMORY_BUDGET, "-", "VmHWM of the process")


def percentile(ordered: Sequence[float], part: float) -> float:
    """Of values in ascending order, by the nearest rank."""
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def memory(site: Site) -> dict[str, float]:
    """The most that each daemon ever had in memory, in MiB."""
    daemons = {
        "sidecar": ("edge", f"interlink-slurm@{ACCOUNT}"),
        "API": ("edge", "interlink-api"),
        "virtual kubelet": ("federation", f"virtual-kubelet@{NODE}"),
    }
    return {name: _peak_mib(site, host, unit) for name, (host, unit) in daemons.items()}


def _peak_mib(site: Site, host: str, unit: str) -> float:
    pid = site.on(host, "systemctl", "show", "--value", "--property=MainPID", unit).strip()
    status = dict(line.split(":", 1) for line in site.on(host, "cat", f"/proc/{pid}/status").splitlines())
    return int(status["VmHWM"].split()[0]) / MIB


def _polls(site: Site) -> tuple[float, float]:
    """Looks at the queue, and seconds spent in them."""
    host, socket, name = POLLS
    return site.metric(host, socket, name), site.metric(host, socket, "dte_slurm_poll_seconds_sum")


def _finished(site: Site) -> dict[str, float]:
    text = site.on("slurm1", "python3", "-c", _ENDS, JOB_ROOT)
    return {uid: datetime.fromisoformat(end).timestamp() for uid, end in map(str.split, text.splitlines())}


class Seen:
    """What a watch of all pods of the benchmark told so far, by name and this machine's clock."""

    def __init__(self) -> None:
        self.job_ids: set[str] = set()
        self.ends: dict[str, float] = {}
        self.changed_at = time.monotonic()

    def feed(self, line: str) -> None:
        """A line of the watch: name, phase, job id (empty before there is one)."""
        name, phase, job_id = line.rstrip("\n").split("|")
        self.changed_at = time.monotonic()
        if job_id:
            self.job_ids.add(name)
        if phase in demo.TERMINAL:
            assert phase == "Succeeded", f"{name} is {phase}"
            self.ends.setdefault(name, time.time())


@contextmanager
def _watching(site: Site) -> Iterator[Seen]:
    """One watch for all, printing as little as can be: kubectl shares the machine with what is measured."""
    template = r'{.metadata.name}|{.status.phase}|{.metadata.annotations.JobID}{"\n"}'
    command = site.kubectl.command(
        "get", "pods", f"--selector={pods.LABEL}", "--watch", f"--output=jsonpath={template}"
    )
    seen = Seen()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout
        assert output is not None, "standard output is a pipe"

        def read() -> None:
            for line in output:
                seen.feed(line)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield seen
        finally:
            process.terminate()
            reader.join(10)


def _wait_until(seen: Seen, condition: Callable[[], bool]) -> None:
    while not condition():
        if time.monotonic() - seen.changed_at > STALLED_S:
            told = f"{len(seen.job_ids)} have jobs, {len(seen.ends)} are over"
            raise TimeoutError(f"nothing changed for {STALLED_S:.0f} s: {told}")
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=PODS)
    parser.add_argument("--sshfs", action="store_true")
    parser.add_argument("--waiting", type=int, default=0, help="so many pods that never end, instead")
    options = parser.parse_args()
    site = running.site()
    part = SSHFS if options.sshfs else LOCAL
    with job_root_by_sshfs(site) if options.sshfs else nullcontext():
        found = waiting(site, options.waiting) if options.waiting else ends(site, part, options.pods)
        print(table(list(found)))


if __name__ == "__main__":
    main()
