"""A job directory as `write_job` leaves it, and its supervisor run for real, as if inside a batch job.

DTE_JOB_PYTHON names another Python to run it with, as compute nodes have.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from dte.interlink.jobs.archive import supervisor_archive
from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.status import JobStatus, parse_status

settings.register_profile("jobs", deadline=None)  # no test may depend on how busy the machine is
settings.load_profile("jobs")

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
LIMIT_S = 30
ARCHIVE = supervisor_archive()


def order(name: str, *argv: str, kind: str = "main", **more: Any) -> dict[str, Any]:
    """A container of spec.json."""
    return {
        "name": name,
        "kind": kind,
        "argv": list(argv),
        "env": [],
        "working_dir": None,
        "mounts": [],
        "is_sidecar": False,
        "probes": {},
        "hooks": {},
        "stop_signal": int(signal.SIGTERM),
        "message_from_log": False,
        **more,
    }


def shell(name: str, text: str, *arguments: str, **more: Any) -> dict[str, Any]:
    return order(name, "/bin/sh", "-c", text, *arguments, **more)


def probe(*argv: str, **more: Any) -> dict[str, Any]:
    """An exec probe of spec.json that asks often."""
    return {
        "action": {"kind": "exec", "argv": list(argv)},
        "initial_delay_s": 0,
        "period_s": 0.1,
        "timeout_s": LIMIT_S,
        "success_threshold": 1,
        "failure_threshold": 1,
        "grace_s": None,
        **more,
    }


def hook(text: str) -> dict[str, Any]:
    """An exec hook of spec.json."""
    return {"kind": "exec", "argv": ["/bin/sh", "-c", text]}


def is_running(process_id: int) -> bool:
    """Whether there is such a process that is not dead already and waited for."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] not in "ZX"


class Job:
    """One pod's directory and the supervisors started in it."""

    def __init__(self, root: Path, python: str) -> None:
        self.files = JobDirectory(root, "default", UID)
        self.python = python
        self.started: list[subprocess.Popen[bytes]] = []
        self.files.path.mkdir(parents=True)
        self.files.notices.mkdir()
        self.files.work.mkdir()
        self.files.supervisor.write_bytes(ARCHIVE)

    def prepare(self, *containers: dict[str, Any], restart_policy: str = "Never", **more: Any) -> None:
        """`restart_policy` is that of containers which have none of their own."""
        spec = {
            "schema": 1,
            "uid": UID,
            "notices": str(self.files.notices),
            "umask": 0o027,
            "grace_s": 10,
            "deadline_s": None,
            "start_limit_s": 30,
            "least_stop_s": 0,
            "size_check_s": 0.05,
            "size_limits": [],
            "backoff": {"first_s": 0.05, "limit_s": 0.2, "reset_s": 60},
            "bwrap": "bwrap",
            "containers": [{"restart": restart_policy, **container} for container in containers],
        }
        self.files.spec.write_text(json.dumps({**spec, **more}))

    def start(self, job_id: str = "1", **environment: str) -> subprocess.Popen[bytes]:
        environment = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": job_id, **environment}
        process = subprocess.Popen(
            [self.python, "-I", "-S", str(self.files.supervisor), job_id],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        self.started.append(process)
        return process

    def run(self, *containers: dict[str, Any], **more: Any) -> int:
        """Prepare, run to the end, return the exit code of the job."""
        self.prepare(*containers, **more)
        return self.start().wait(LIMIT_S)

    def status(self) -> JobStatus:
        return parse_status(self.files.status.read_bytes())

    def log(self, container: str, *, init: bool = False) -> bytes:
        return self.files.log(container, init=init).read_bytes()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until something that another process does is done."""
        end = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.01)

    def wait_for_output(self, container: str, text: bytes, *, init: bool = False) -> None:
        log = self.files.log(container, init=init)
        self.wait_for(lambda: log.exists() and text in log.read_bytes())

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    made = Job(tmp_path / "jobs", os.environ.get("DTE_JOB_PYTHON", sys.executable))
    yield made
    made.close()
