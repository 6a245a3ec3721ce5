"""From a pod to its job: what the supervisor is told, what is submitted, which files lie beside it. No I/O here."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dte.interlink import pods
from dte.interlink.jobs import life
from dte.interlink.jobs.command import arguments, environment
from dte.interlink.jobs.directory import JobDirectory, checked_label
from dte.interlink.jobs.objects import collect_objects
from dte.interlink.jobs.paths import absolute_path, encoded
from dte.interlink.jobs.unsupported import warnings_for
from dte.interlink.jobs.volume_kinds import Offer, PlannedFile
from dte.interlink.jobs.volumes import VolumePlan, plan_volumes
from dte.interlink.wire import PluginCreate
from dte.runtime.errors import Malformed, Refused

SCHEMA = 2
BACKOFF = {"first_s": 10, "limit_s": 300, "reset_s": 600}
"""Kubernetes' pause before a restart: doubles up to the limit, and is forgotten after a run of `reset_s`."""
START_LIMIT_S = 60
"""For a program to come up; a file system of the node that hangs would hold it for ever."""
LEAST_STOP_S = 2
"""From SIGTERM to SIGKILL at least, though the grace period be over: a kubelet's minimumGracePeriodInSeconds."""
MESSAGES = "termination"
"""Directory of the termination messages, a file for each container (the supervisor makes them)."""
DEFAULT_MESSAGE_PATH = "/dev/termination-log"
SIZE_CHECK_S = 10
"""Between two looks at volumes with a size limit, as kubelets do."""
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
    host_paths: Sequence[str] = ()
    """Prefixes of what pods may mount by hostPath."""


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
    if (pods.spec(pod).get("os") or {}).get("name") not in (None, "", "linux"):
        raise Refused("os: this site runs linux only")
    if not 0 <= job_umask <= 0o777:
        raise ValueError(f"not a umask: {job_umask:o}")
    variables = {
        str(item.get("name")): environment(item) for item in (*pods.init_containers(pod), *pods.containers(pod))
    }
    volumes = plan_volumes(pod, Offer(collect_objects(request.containers), runtime.host_paths), variables)
    spec = {
        "schema": SCHEMA,
        "uid": pods.pod_uid(pod),
        "notices": str(directory.notices),
        "umask": job_umask,
        "grace_s": life.grace_s(pod),
        "deadline_s": life.deadline_s(pod),
        "start_limit_s": START_LIMIT_S,
        "least_stop_s": LEAST_STOP_S,
        "backoff": BACKOFF,
        "bwrap": runtime.bwrap_path,
        "size_check_s": SIZE_CHECK_S,
        "size_limits": [asdict(limit) for limit in volumes.limits],
        "containers": _containers(pod, variables, volumes),
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


Environments = Mapping[str, Mapping[str, str]]
"""Of the containers, by name."""


def _containers(pod: pods.Pod, variables: Environments, volumes: VolumePlan) -> Sequence[Mapping[str, Any]]:
    policy = life.pod_restart_policy(pod)
    result = [_container(item, "init", policy, variables, volumes) for item in pods.init_containers(pod)]
    result += [_container(item, "main", policy, variables, volumes) for item in pods.containers(pod)]
    names = [item["name"] for item in result]
    if len(set(names)) < len(names) or not pods.containers(pod):
        raise Malformed(f"a pod needs containers, each with a name of its own, got {', '.join(names) or 'none'}")
    return result


def _container(
    container: pods.Container, kind: str, pod_policy: str, environments: Environments, volumes: VolumePlan
) -> Mapping[str, Any]:
    name = checked_label(str(container.get("name")), "container name")
    if container.get("volumeDevices"):
        raise Refused(f"container {name}: volumeDevices are not offered at this site")
    working_dir = container.get("workingDir") or None
    if working_dir is not None and not str(working_dir).startswith("/"):
        raise Refused(f"container {name}: workingDir must be absolute, got {working_dir!r:.80}")
    variables = environments[name]
    return {
        "name": name,
        "kind": kind,
        "argv": arguments(container, variables),
        "env": [[key, value] for key, value in variables.items()],
        "working_dir": working_dir,
        "mounts": _mounts(container, name, volumes),
        "is_sidecar": life.is_sidecar(container, kind),
        "restart": life.restart_policy(container, kind, pod_policy),
        "probes": life.probes(container, kind, variables),
        "hooks": life.hooks(container),
        "stop_signal": life.stop_signal(container),
        "message_from_log": life.takes_message_from_log(container),
    }


def _mounts(container: pods.Container, name: str, volumes: VolumePlan) -> Sequence[Mapping[str, Any]]:
    """Those of the container's volumes, and the file for its termination message.

    At its default path that file alone is no reason for a sandbox: without mounts there is none.
    """
    mounts = [asdict(mount) for mount in volumes.mounts[name]]
    path = container.get("terminationMessagePath") or DEFAULT_MESSAGE_PATH
    target = absolute_path(path, f"container {name}: terminationMessagePath")
    is_default = target == DEFAULT_MESSAGE_PATH
    if mounts or not is_default:
        message = {"source": f"{MESSAGES}/{name}", "target": target, "read_only": False, "is_optional": is_default}
        mounts.append(message)
    return mounts
