"""The way of a pod on the running site: ends seen, deletes, creates beside bare sbatch, calls per round."""

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.bench import pods
from tests.bench.table import Row
from tests.lab import demo
from tests.lab.running import ACCOUNT, LIMIT_S, POLLS, Site

PODS = 20
DELETES = 5
ROUNDS_S = 30


def rows(site: Site) -> Iterator[Row]:
    """Each figure when it is ready, from the quick ones to the slow."""
    yield _calls_per_round(site)
    yield _create_rate(site)
    yield _delete(site)
    yield from _ends(site)


def _wait(what: str, condition: Callable[[], bool]) -> float:
    """Seconds until the condition holds, looked at ten times a second."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > LIMIT_S:
            raise TimeoutError(f"waited {LIMIT_S} s for {what}")
        time.sleep(0.1)
    return time.monotonic() - start


def _is_running(pod: Mapping[str, Any]) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def _has_job(pod: Mapping[str, Any]) -> bool:
    return "JobID" in pod["metadata"].get("annotations", {})


def _ends(site: Site) -> Iterator[Row]:
    """From FinishedAt.time in the job directory to the watch event Succeeded, both by this machine's clock."""
    seen: dict[str, float] = {}
    with pods.applied(site, {f"end-{i:02}": f"sleep {8 + i % 7}.{i}" for i in range(PODS)}):
        names = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods.listed(site)}
        watchers = [threading.Thread(target=_see_end, args=(site, name, seen)) for name in names]
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.join(LIMIT_S)
        delays = sorted(seen[name] - _finished_at(site, uid) for name, uid in names.items())
    method = f"{PODS} pods of 8 to 15 s; job directory's FinishedAt.time to watch event"
    yield Row("job end to Succeeded, median", f"{statistics.median(delays):.2f} s", "< 1 s", "108 s", method)
    yield Row("job end to Succeeded, last", f"{delays[-1]:.2f} s", "< 3 s", "199 s", method)


def _see_end(site: Site, name: str, seen: dict[str, float]) -> None:
    for pod in site.kubectl.pod_changes(name):
        if pod["status"].get("phase") in demo.TERMINAL:
            seen[name] = time.time()
            return


def _finished_at(site: Site, uid: str) -> float:
    path = f"/exa/{ACCOUNT}/interlink/default-{uid}/status.json"
    text: str = json.loads(site.on("slurm1", "cat", path))["finished_at"]
    return datetime.fromisoformat(text).timestamp()


def _delete(site: Site) -> Row:
    """kubectl's delete of a pod whose program ends on TERM, until the object is gone; grace 30 s."""
    names = [f"delete-{i}" for i in range(DELETES)]
    with pods.applied(site, dict.fromkeys(names, "exec sleep 1000")):
        _wait("running pods", lambda: all(map(_is_running, pods.listed(site))))
        seconds = []
        for name in names:
            start = time.monotonic()
            site.kubectl.run("delete", "pod", name, f"--timeout={LIMIT_S}s")
            seconds.append(time.monotonic() - start)
    return Row(
        "delete of a running pod",
        f"{statistics.median(seconds):.2f} s",
        "< 2 s",
        "30.2 s",
        f"median of {DELETES}, one by one",
    )


def _create_rate(site: Site) -> Row:
    """Pods from apply to JobID, beside the same number of sbatch calls one after the other on the edge host."""
    script = f"for i in $(seq {PODS}); do sbatch --quiet --output=/dev/null --wrap=true > /dev/null; done"
    start = time.monotonic()
    site.on("edge", "runuser", "-u", ACCOUNT, "--", "sh", "-c", f"cd /exa/{ACCOUNT} && {script}")
    bare = time.monotonic() - start
    start = time.monotonic()
    with pods.applied(site, {f"create-{i:02}": "true" for i in range(PODS)}):
        _wait("job ids", lambda: all(map(_has_job, pods.listed(site))))
        ours = time.monotonic() - start
    figure = f"{ours / bare:.1f} x the time ({PODS / ours:.0f}/s beside {PODS / bare:.0f}/s)"
    return Row("create, beside bare sbatch", figure, "-", "59/s", f"{PODS} pods, apply to JobID; sbatch in a loop")


def _calls_per_round(site: Site) -> Row:
    """RPCs that slurmctld served for the account, by sdiag, over the polls that the sidecar counted."""
    with pods.applied(site, {f"round-{i:02}": "exec sleep 1000" for i in range(PODS)}):
        _wait("running pods", lambda: all(map(_is_running, pods.listed(site))))
        rounds, calls = site.metric(*POLLS), site.slurm_rpcs()
        time.sleep(ROUNDS_S)
        rounds, calls = site.metric(*POLLS) - rounds, site.slurm_rpcs() - calls
    figure = f"{calls / rounds:.1f}" if rounds else "no round"
    return Row(
        "Slurm RPCs per status round",
        figure,
        "<= 3",
        f"{3 * (PODS + 1)}",
        f"sdiag over {ROUNDS_S} s, {PODS} pods; with the 2 a minute of the ping's sinfo",
    )
