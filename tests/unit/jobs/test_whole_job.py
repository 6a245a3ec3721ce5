"""A pod from its create request to its log and status: planned, written, run by /bin/sh, read back. No batch system."""

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dte.interlink.jobs.container_status import container_status
from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.logs import open_log
from dte.interlink.jobs.prepare import write_job
from dte.interlink.jobs.spec import PlainRuntime, plan_job
from dte.interlink.jobs.status import parse_status
from dte.interlink.jobs.supervisor.programs import sandbox_problem
from dte.interlink.wire import ContainerVolumes, LogOptions, LogRequest, PluginCreate
from dte.runtime.files import FilePool

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
PROBLEM = sandbox_problem(b"bwrap", 30)
pytestmark = pytest.mark.skipif(PROBLEM is not None, reason=str(PROBLEM))

QUOTED = "a'b\"c $(touch x) `id` \\n\n\ttwo lines\n"
TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
READ = f'cat /etc/app/renamed /etc/app.conf /secret/key {TOKEN_DIRECTORY}/token; printf "%s|" "$@"'
MOUNTS = [
    {"name": "config", "mountPath": "/etc/app"},
    {"name": "config", "mountPath": "/etc/app.conf", "subPath": "renamed"},
    {"name": "secret", "mountPath": "/secret", "readOnly": True},
    {"name": "token", "mountPath": TOKEN_DIRECTORY, "readOnly": True},
    {"name": "shared", "mountPath": "/shared"},
]
POD: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "default", "uid": UID},
    "spec": {
        "restartPolicy": "Never",
        "volumes": [
            {"name": "config", "configMap": {"name": "cm", "items": [{"key": "text", "path": "renamed"}]}},
            {"name": "secret", "secret": {"secretName": "s"}},
            {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
            {"name": "shared", "emptyDir": {}},
        ],
        "initContainers": [
            {"name": "fill", "command": ["/bin/sh", "-c", "echo from init > /shared/f"], "volumeMounts": MOUNTS[-1:]}
        ],
        "containers": [
            {
                "name": "read",
                "command": ["/bin/sh", "-c", READ],
                "args": ["sh", "$(TEXT)", "$$(TEXT)"],
                "env": [{"name": "TEXT", "value": QUOTED}],
                "volumeMounts": MOUNTS,
            },
            {
                "name": "fail",
                "command": ["/bin/sh", "-c", "cat /shared/f; exit 3"],
                "volumeMounts": [{**MOUNTS[-1], "readOnly": True}],
            },
        ],
    },
}
VOLUMES = ContainerVolumes(
    "read",
    config_maps=[{"metadata": {"name": "cm"}, "data": {"text": QUOTED, "other": ""}}],
    secrets=[{"metadata": {"name": "s"}, "data": {"key": base64.b64encode(b"\0\xff\n").decode()}}],
    projected=[{"metadata": {"name": "token"}, "data": {"token": "eyJ"}}],
)


async def log_of(directory: JobDirectory, container: str, **options: Any) -> bytes:
    request = LogRequest("default", UID, "p", container, LogOptions(**options))
    return b"".join(
        [piece async for piece in await open_log(directory, request, pool=FilePool(), is_terminal=lambda: True)]
    )


async def test_a_pod_is_run_as_written_and_leaves_nothing_outside_its_directory(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "it's a $(root)", "default", UID)
    plan = plan_job(PluginCreate(POD, [VOLUMES]), directory, PlainRuntime(job_python=sys.executable))
    write_job(plan, directory)
    here = set(os.listdir())  # noqa: PTH208
    shell = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "29"}
    result = subprocess.run(["/bin/sh", directory.script], env=shell, capture_output=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (3, b"", b"")
    expected = f"{QUOTED}{QUOTED}".encode() + b"\0\xff\n" + f"eyJ{QUOTED}|$(TEXT)|".encode()
    assert await log_of(directory, "read") == expected
    assert await log_of(directory, "fail", tail=1) == b"from init\n"
    status = parse_status(directory.status.read_bytes())
    states = {name: container_status({"name": name}, state)["state"] for name, state in status.containers.items()}
    assert {name: state["terminated"]["exitCode"] for name, state in states.items()} == {
        "fill": 0,
        "read": 0,
        "fail": 3,
    }
    assert set(os.listdir()) == here  # noqa: PTH208
    assert {path.name for path in directory.root.iterdir()} == {directory.path.name, ".notices"}
