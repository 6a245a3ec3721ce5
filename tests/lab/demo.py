"""Apply the example pod and tell what became of it, as a table."""

import contextlib
import json
import subprocess
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "hello.yaml"
KUBECTL = str(ROOT / ".venv" / "bin" / "kubectl")
LIMIT_S = 120
TERMINAL = ("Succeeded", "Failed")


class DemoFailed(Exception):
    """The pod did not do what it should; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with a fixed kubeconfig."""

    kubeconfig: Path

    def command(self, *arguments: str) -> list[str]:
        return [KUBECTL, "--kubeconfig", str(self.kubeconfig), *arguments]

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Standard output; raises DemoFailed with kubectl's own words."""
        command = self.command(*arguments)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=LIMIT_S)
        if done.returncode != 0:
            raise DemoFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def pod_changes(self, name: str) -> Generator[Mapping[str, Any]]:
        """The pod at each of its changes, until it is terminal or the time is over."""
        command = self.command("get", "pod", name, "--watch", "--output=json", "--output-watch-events")
        command.append(f"--request-timeout={LIMIT_S}s")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None, "standard output is a pipe"
            try:
                yield from (json.loads(line)["object"] for line in process.stdout)  # an event a line
            finally:
                process.terminate()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a pod; seconds are of this machine's clock but for the job's own end."""

    pod: str
    node: str
    job_id: str
    exit_code: int
    first_line: str
    to_running_s: float | None
    """From apply to Running; None when it was never seen running."""
    end_to_seen_s: float
    """From the end of the job, by the clock of its host, to Succeeded at Kubernetes."""


def run_pod(kubectl: Kubectl, manifest: Path = EXAMPLE) -> Outcome:
    """Apply the pod of `manifest` anew, wait for its end, read its log."""
    kubectl.run("delete", "--ignore-not-found", "--filename", str(manifest))
    start = time.time()
    name = kubectl.run("apply", "--filename", str(manifest), "--output=name").strip().removeprefix("pod/")
    running_at: float | None = None
    with contextlib.closing(kubectl.pod_changes(name)) as changes:
        for pod in changes:
            phase = pod["status"].get("phase")
            if phase == "Running" and running_at is None:
                running_at = time.time()
            if phase in TERMINAL:
                return _outcome(kubectl, pod, start, running_at, time.time())
    raise DemoFailed(f"pod {name} did not end within {LIMIT_S} s: {kubectl.run('describe', 'pod', name)}")


def _outcome(
    kubectl: Kubectl, pod: Mapping[str, Any], start: float, running_at: float | None, seen_at: float
) -> Outcome:
    name = pod["metadata"]["name"]
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    if pod["status"]["phase"] != "Succeeded":
        raise DemoFailed(f"pod {name} is {pod['status']['phase']}: {ended.get('message') or ended.get('reason')}")
    finished_at = datetime.fromisoformat(ended["finishedAt"]).timestamp()
    return Outcome(
        pod=name,
        node=pod["spec"]["nodeName"],
        job_id=pod["metadata"]["annotations"]["JobID"],
        exit_code=ended["exitCode"],
        first_line=kubectl.run("logs", name).partition("\n")[0],
        to_running_s=None if running_at is None else running_at - start,
        # Kubernetes' times have whole seconds: an end within this one would come out negative.
        end_to_seen_s=max(seen_at - finished_at, 0.0),
    )


def table(outcome: Outcome) -> str:
    """The outcome for people."""
    running = "not seen" if outcome.to_running_s is None else f"{outcome.to_running_s:.1f} s"
    rows = {
        "pod": outcome.pod,
        "node": outcome.node,
        "job id": outcome.job_id,
        "exit code": str(outcome.exit_code),
        "first log line": outcome.first_line,
        "apply to running": running,
        "job end to Succeeded": f"{outcome.end_to_seen_s:.1f} s (whole seconds of the job's host)",
    }
    return "\n".join(f"  {name:<22}{value}" for name, value in rows.items())
