"""From a pod to its job: what the supervisor is told, what is submitted, which files lie beside it. No I/O here."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dte.interlink import pods
from dte.interlink.jobs.command import arguments, environment
from dte.interlink.jobs.directory import JobDirectory, checked_label
from dte.interlink.jobs.unsupported import warnings_for
from dte.interlink.jobs.volumes import PlannedFile, VolumePlan, collect_objects, encoded, plan_volumes
from dte.interlink.wire import PluginCreate
from dte.runtime.errors import Malformed, Refused

SCHEMA = 1
DEFAULT_GRACE_S = 30
"""Kubernetes' terminationGracePeriodSeconds where a pod has none."""
BACKOFF = {"first_s": 10, "limit_s": 300, "reset_s": 600}
"""Kubernetes' pause before a restart: doubles up to the limit, and is forgotten after a run of `reset_s`."""
RESTART_POLICIES = ("Never", "OnFailure", "Always")
PRE_EXEC = "slurm-job.vk.io/pre-exec"


@dataclass(frozen=True, slots=True)
class PlainRuntime:
    """`ContainerRuntime: plain`: the compute node's own programs; images are not used.

    `command_prefix`, `prologue` and the pod's annotation `slurm-job.vk.io/pre-exec` are shell text by contract.
    """

    job_python: str = "python3"
    """Python 3.6 or newer on the compute node: a path, or a name found on its PATH."""
    bwrap_path: str = "bwrap"
    """bubblewrap 0.8 or newer on the compute node; used by pods with mounts only."""
    command_prefix: str = ""
    prologue: str = ""
    """The flavor's; runs before `command_prefix`."""
    allow_pre_exec: bool = False


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What `write_job` writes and the batch system is given."""

    spec: Mapping[str, Any]
    """spec.json: plain JSON values (docs/wire/job-directory.md)."""
    script: bytes
    """job.slurm. It has no #SBATCH lines: options are arguments of the submit command."""
    files: Sequence[PlannedFile]
    directories: Sequence[str]
    """Relative to the job directory, parents first."""
    warnings: Sequence[str]
    """What the pod asks for and does not get, a line each, for the create answer and an event."""


def plan_job(
    request: PluginCreate, directory: JobDirectory, runtime: PlainRuntime, *, job_umask: int = 0o027
) -> JobPlan:
    """Plan the job of a pod. Touches nothing.

    Raises Refused (its text is for the pod's author) for what cannot be run, or could not be run as written: an
    unsupported volume that is mounted, a path that leaves its volume, a container without command, pre-exec where the
    site has it off. Raises Malformed for a pod that is not one.
    """
    pod = request.pod
    if request.job_script:
        raise Refused("scripts built by the interLink API (jobScript) are not run at this site")
    if not 0 <= job_umask <= 0o777:
        raise ValueError(f"not a umask: {job_umask:o}")
    volumes = plan_volumes(pod, collect_objects(request.containers))
    spec = {
        "schema": SCHEMA,
        "uid": pods.pod_uid(pod),
        "notices": str(directory.notices),
        "umask": job_umask,
        "grace_s": _grace_s(pod),
        "restart_policy": _restart_policy(pod),
        "backoff": BACKOFF,
        "bwrap": runtime.bwrap_path,
        "containers": _containers(pod, volumes),
    }
    return JobPlan(
        spec=spec,
        script=job_script(directory, runtime, pre_exec=_pre_exec(pod, runtime)),
        files=volumes.files,
        directories=[directory.work.name, *volumes.directories],
        warnings=[*warnings_for(pod), *volumes.warnings],
    )


def job_script(directory: JobDirectory, runtime: PlainRuntime, *, pre_exec: str) -> bytes:
    """job.slurm. Of the pod nothing is in it but `pre_exec`, shell text by contract."""
    lines = [
        "#!/bin/sh",
        f"cd {shlex.quote(str(directory.path))} || exit 72",
        # Submitted with --export=NIL there is none, and without it Python does not even know its own path.
        'PATH="${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"; export PATH',
        *(text for text in (runtime.prologue, runtime.command_prefix, pre_exec) if text),
        f'exec {shlex.quote(runtime.job_python)} -I -S {shlex.quote(str(directory.supervisor))} "$SLURM_JOB_ID"',
    ]
    return encoded("\n".join(lines) + "\n", "prologue, CommandPrefix or pre-exec")


def _pre_exec(pod: pods.Pod, runtime: PlainRuntime) -> str:
    text = pods.annotations(pod).get(PRE_EXEC) or ""
    if text and not runtime.allow_pre_exec:
        raise Refused(f"annotation {PRE_EXEC} is not allowed at this site (setting AllowPreExec)")
    if "\0" in text:
        raise Refused(f"annotation {PRE_EXEC} holds a NUL character")
    return text


def _grace_s(pod: pods.Pod) -> int:
    grace_s = pods.spec(pod).get("terminationGracePeriodSeconds")
    if grace_s is None:
        return DEFAULT_GRACE_S
    if not isinstance(grace_s, int) or isinstance(grace_s, bool) or grace_s < 0:
        raise Malformed(f"terminationGracePeriodSeconds must be a number that is not negative, got {grace_s!r:.80}")
    return grace_s


def _restart_policy(pod: pods.Pod) -> str:
    policy = pods.spec(pod).get("restartPolicy") or "Always"
    if policy not in RESTART_POLICIES:
        raise Malformed(f"restartPolicy must be one of {', '.join(RESTART_POLICIES)}, got {policy!r:.80}")
    return str(policy)


def _containers(pod: pods.Pod, volumes: VolumePlan) -> Sequence[Mapping[str, Any]]:
    result = [_container(item, "init", volumes) for item in pods.init_containers(pod)]
    result += [_container(item, "main", volumes) for item in pods.containers(pod)]
    names = [item["name"] for item in result]
    if len(set(names)) < len(names) or not pods.containers(pod):
        raise Malformed(f"a pod needs containers, each with a name of its own, got {', '.join(names) or 'none'}")
    return result


def _container(container: pods.Container, kind: str, volumes: VolumePlan) -> Mapping[str, Any]:
    name = checked_label(str(container.get("name")), "container name")
    if container.get("restartPolicy"):
        raise Refused(f"container {name}: a restartPolicy of its own (a sidecar) is not supported")
    if container.get("volumeDevices"):
        raise Refused(f"container {name}: volumeDevices are not offered at this site")
    working_dir = container.get("workingDir") or None
    if working_dir is not None and not str(working_dir).startswith("/"):
        raise Refused(f"container {name}: workingDir must be absolute, got {working_dir!r:.80}")
    variables = environment(container)
    return {
        "name": name,
        "kind": kind,
        "argv": arguments(container, variables),
        "env": [[key, value] for key, value in variables.items()],
        "working_dir": working_dir,
        "mounts": [asdict(mount) for mount in volumes.mounts[name]],
    }
