"""From a pod to its job: what the supervisor is told, what is submitted, which files lie beside it. No I/O here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.wire import PluginCreate


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
class PlannedFile:
    """A file of a volume. `path` is relative to the job directory, has no `..` and no empty component."""

    path: str
    data: bytes
    mode: int


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
    raise NotImplementedError
