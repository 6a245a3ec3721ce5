"""The configuration file of one sidecar: /etc/dte/interlink-slurm/ACCOUNT.yaml."""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from dte.interlink.upstream_keys import UPSTREAM_KEYS
from dte.runtime.address import Address, TcpAddress, is_on_this_host, parse_address
from dte.runtime.errors import Refused
from dte.runtime.settings import AdminSettings, Settings

from .flags import OWNED_FLAGS, REFUSED_FLAGS, Flag, split_flags
from .memory import parse_slurm_memory


def _a_command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as e:
        raise ValueError(f"{e}; write it as on a command line") from e
    if not words:
        raise ValueError("must name a program")
    return text


def _a_site_flag(text: str) -> str:
    """An sbatch option that the site sets: neither owned by the sidecar nor refused."""
    try:
        flags = split_flags(text, source="option")
    except Refused as e:
        raise ValueError(str(e)) from e
    for flag in flags:
        if flag.name in OWNED_FLAGS:
            raise ValueError(f"--{flag.name} is set by the sidecar itself")
        if flag.name in REFUSED_FLAGS:
            raise ValueError(f"--{flag.name} cannot be used: {REFUSED_FLAGS[flag.name]}")
    return text


def _a_memory_size(text: str) -> str:
    parse_slurm_memory(text)
    return text


def _a_job_root(path: Path) -> Path:
    # sbatch expands % in the path of the output file, and a backslash switches that off.
    if not path.is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("must be an absolute path without ..")
    if any(char in str(path) for char in "%\\\n\r\0"):
        raise ValueError("must not hold %, a backslash or a line end: sbatch gives them a meaning")
    return path


def _a_host_prefix(text: str) -> str:
    if not text.startswith("/") or ".." in PurePosixPath(text).parts:
        raise ValueError("must be an absolute path without ..")
    return text


Command = Annotated[str, AfterValidator(_a_command)]
"""A program with leading words, split as on a command line: `ssh login.example sbatch`."""
SiteFlag = Annotated[str, AfterValidator(_a_site_flag)]
"""One or more sbatch options as on a command line: `--gres=gpu:1`."""
HostPrefix = Annotated[str, AfterValidator(_a_host_prefix)]


class TaintSettings(Settings):
    """A taint that ping asks the virtual kubelet to put on its node."""

    key: str = Field(alias="Key", min_length=1)
    """Name of the taint."""
    value: str = Field(default="", alias="Value")
    """Its value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(default="NoSchedule", alias="Effect")
    """What it does to pods without the toleration."""


class FlavorSettings(Settings):
    """A named way to submit. A pod picks it by the annotation `slurm-job.vk.io/flavor`."""

    name: str = Field(default="", alias="Name")
    """Upstream's second name of a flavor; the key in Flavors counts."""
    description: str = Field(default="", alias="Description")
    """For readers of the file."""
    partition: str = Field(default="", alias="Partition")
    """sbatch --partition; empty: the virtual node's partitions, else Slurm's default."""
    account: str = Field(default="", alias="Account")
    """sbatch --account; empty: SlurmAccount."""
    qos: str = Field(default="", alias="Qos")
    """sbatch --qos."""
    reservation: str = Field(default="", alias="Reservation")
    """sbatch --reservation."""
    constraint: str = Field(default="", alias="Constraint")
    """sbatch --constraint."""
    licenses: str = Field(default="", alias="Licenses")
    """sbatch --licenses."""
    time: str = Field(default="", alias="Time", pattern=r"^[0-9:-]*$")
    """sbatch --time for pods that set neither the option nor activeDeadlineSeconds: `30`, `12:00:00`, `1-00:00:00`."""
    cpu_default: int | None = Field(default=None, alias="CPUDefault", ge=1, le=100_000)
    """CPUs of a pod without a CPU limit. Unset: sbatch's default, 1."""
    memory_default: Annotated[str, AfterValidator(_a_memory_size)] | None = Field(default=None, alias="MemoryDefault")
    """Memory per node of a pod without a memory limit, Slurm's units (`16G`). Unset: the partition's default."""
    gres_map: dict[str, str] = Field(default_factory=dict, alias="GresMap")
    """Kubernetes resource -> Slurm gres: `nvidia.com/gpu: gpu:h100` makes a limit of 2 into --gres=gpu:h100:2."""
    prologue: str = Field(default="", alias="Prologue")
    """Shell of the site, run before the supervisor: `module load apptainer`."""
    slurm_flags: tuple[SiteFlag, ...] = Field(default=(), alias="SlurmFlags")
    """More sbatch options; a pod's own win over them."""
    flags_forced: tuple[SiteFlag, ...] = Field(default=(), alias="FlagsForced")
    """sbatch options that win over everything a pod asks for."""

    @model_validator(mode="before")
    @classmethod
    def _no_other_user(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("UID"):
            raise ValueError(f"UID cannot be used: {REFUSED_FLAGS['uid']}; run a sidecar for each account")
        return {key: value for key, value in raw.items() if key != "UID"} if isinstance(raw, dict) else raw


class NodeSettings(Settings):
    """What stands behind one virtual node."""

    partitions: tuple[str, ...] = Field(alias="Partitions", min_length=1)
    """Their nodes are the virtual node's capacity; jobs of its pods run there."""
    default_flavor: str = Field(default="", alias="DefaultFlavor")
    """Flavor of pods that name none. Empty: the file's DefaultFlavor."""
    taints: tuple[TaintSettings, ...] = Field(default=(), alias="Taints")
    """In addition to the file's Taints."""
    labels: dict[str, str] = Field(default_factory=dict, alias="Labels")
    """Accepted so that one mapping describes a node to both daemons; the virtual kubelet sets the labels."""


class AdoptedSettings(Settings):
    """Whose pods the directories of upstream's plugin are: it kept no creators."""

    issuer: str = Field(alias="Issuer", min_length=1)
    """Issuer of the virtual kubelet's certificate (`CN=...`) or token, as the API's audit lines name it."""
    subject: str = Field(alias="Subject", min_length=1)
    """Its subject, likewise."""
    owner: str = Field(default="", alias="Owner")
    """What it sends as InterLink-Owner. Empty: it sends none, as upstream's does."""


class SlurmSettings(Settings):
    """Everything that one sidecar (one local account) can be told. Read once, at start."""

    accepted_keys: ClassVar[frozenset[str]] = UPSTREAM_KEYS

    socket: str = Field(default="", alias="Socket")
    """Where it listens: `unix:///run/dte/interlink-slurm/ACCOUNT.sock`. Empty: SidecarPort."""
    sidecar_port: int | None = Field(default=None, alias="SidecarPort", ge=1, le=65535)
    """TCP port on 127.0.0.1, used when Socket is empty. Anybody with a login on the host reaches it: prefer Socket."""
    data_root_folder: Annotated[Path, AfterValidator(_a_job_root)] = Field(alias="DataRootFolder")
    """Job directories are made here. Shared with the compute nodes, owned by the account, mode 0700."""
    sbatch_path: Command = Field(default="sbatch", alias="SbatchPath")
    """sbatch, or a command that leads to it; each argument is then quoted once more for `ssh`."""
    scancel_path: Command = Field(default="scancel", alias="ScancelPath")
    """scancel, likewise."""
    squeue_path: Command = Field(default="squeue", alias="SqueuePath")
    """squeue, likewise."""
    sinfo_path: Command = Field(default="sinfo", alias="SinfoPath")
    """sinfo, likewise. Asked at most once a minute, when the virtual kubelet pings."""
    sacct_path: Command = Field(default="sacct", alias="SacctPath")
    """sacct, likewise. A site without accounting needs none."""
    slurm_account: str = Field(default="", alias="SlurmAccount")
    """sbatch --account of flavors without Account. Empty: the user's default account."""
    flavors: dict[str, FlavorSettings] = Field(default_factory=dict, alias="Flavors")
    """Ways to submit, by name."""
    default_flavor: str = Field(default="", alias="DefaultFlavor")
    """Flavor of pods that name none. Empty: no flavor."""
    nodes: dict[str, NodeSettings] = Field(default_factory=dict, alias="Nodes")
    """Virtual nodes by name. Empty: any node name is served, with all partitions behind it."""
    flags_allowed: tuple[str, ...] | None = Field(default=None, alias="FlagsAllowed")
    """sbatch options (long names) that a pod may set by annotation `slurm-job.vk.io/flags`. Unset: all but refused."""
    flags_forced: tuple[SiteFlag, ...] = Field(default=(), alias="FlagsForced")
    """sbatch options of every job that win over a pod's; a flavor's FlagsForced win over these."""
    taints: tuple[TaintSettings, ...] = Field(default=(), alias="Taints")
    """Taints that ping reports for every virtual node."""
    resource_script_path: Command | None = Field(default=None, alias="ResourceScriptPath")
    """Program that prints the answer to a ping (JSON), instead of sinfo; without `taints` in it Taints hold."""
    max_jobs: int = Field(default=1000, alias="MaxJobs", ge=1, le=1_000_000)
    """Jobs that are not over; more are told to come again. Ping reports it as the node's pods."""
    command_prefix: str = Field(default="", alias="CommandPrefix")
    """Shell of the site, run in every job before the supervisor and a flavor's Prologue."""
    container_runtime: Literal["plain"] = Field(default="plain", alias="ContainerRuntime")
    """How containers run: `plain` starts the command as a process of the compute node and ignores the image."""
    job_python: str = Field(default="python3", alias="JobPython", min_length=1)
    """Python 3.6 or newer on the compute nodes: a name on PATH there, or a path."""
    bwrap_path: str = Field(default="bwrap", alias="BwrapPath", min_length=1)
    """bubblewrap on the compute nodes, for pods with mounts: a name on PATH there, or a path."""
    job_umask: str = Field(default="0027", alias="JobUmask", pattern=r"^0?[0-7]{3}$")
    """umask of jobs and of the daemon's own files, octal digits, quoted: `"0027"`."""
    allow_pre_exec: bool = Field(default=False, alias="AllowPreExec")
    """Whether the annotation `slurm-job.vk.io/pre-exec` (shell text of the pod's author) is run."""
    host_path_allowed: tuple[HostPrefix, ...] = Field(default=(), alias="HostPathAllowed")
    """Paths of the compute nodes that pods may mount by hostPath, with all below. Unset: none."""
    poll_interval_s: float = Field(default=5.0, alias="PollInterval", ge=1, le=300)
    """Seconds between two squeue calls at least. Keep it below a third of Slurm's MinJobAge (300 s)."""
    submit_timeout_s: float = Field(default=30.0, alias="SubmitTimeout", ge=1, le=600)
    """Seconds that sbatch or scancel may take. sbatch itself gives up after 9 s without a controller."""
    poll_timeout_s: float = Field(default=15.0, alias="PollTimeout", ge=1, le=600)
    """Seconds that squeue, sacct or sinfo may take. Raise it where squeue is slow with a full queue."""
    submit_parallel: int = Field(default=8, alias="SubmitParallel", ge=1, le=64)
    """sbatch and scancel commands at once. More does not make slurmctld faster."""
    submit_retry_hours: float = Field(default=24.0, alias="SubmitRetryHours", ge=0, le=8760)
    """Hours in which a refusal by accounting or QOS policy counts as "again"; then the pod fails."""
    status_file_grace_s: float = Field(default=60.0, alias="StatusFileGrace", ge=0, le=3600)
    """Seconds that a job's files may lag behind the queue. Raise it on a slow shared file system."""
    file_timeout_s: float = Field(default=15.0, alias="FileTimeout", ge=1, le=300)
    """Seconds that a file operation may take before the file system counts as hung."""
    adopted: AdoptedSettings | None = Field(default=None, alias="Adopted")
    """To whom pods belong whose directories upstream's plugin made. Unset: they are kept, and no API shows them."""
    drain_file: Path = Field(default=Path("/var/lib/dte/drain.json"), alias="DrainFile")
    """While it says so no new job is taken (see "Drain"). A file that is not there drains nothing."""
    file_events: Literal["auto", "always", "never"] = Field(default="auto", alias="FileEvents")
    """Whether file events tell of ends. `auto`: where the job root's file system is a local one, which hears of every
    write; elsewhere notices are listed once a second. `always`: on a network file system that hears of them, too."""
    retention_days: float = Field(default=7.0, alias="RetentionDays", ge=0.01, le=3650)
    """Days that records of finished and of deleted pods are kept. A create for a deleted pod is refused so long."""
    retention_gib: float = Field(default=0, alias="RetentionGiB", ge=0, le=1_000_000)
    """GiB that finished jobs' directories may take; beyond it the files of the first to end go. 0: no limit."""
    max_body_bytes: int = Field(default=16 << 20, alias="MaxBodyBytes", ge=1 << 16, le=1 << 30)
    """Largest request, bytes. A create holds the pod's ConfigMaps and Secrets, of up to 1 MiB each."""
    verbose_logging: bool = Field(default=False, alias="VerboseLogging")
    """Log level debug."""
    errors_only_logging: bool = Field(default=False, alias="ErrorsOnlyLogging")
    """Log level error. VerboseLogging wins."""
    admin: AdminSettings = Field(default_factory=AdminSettings, alias="Admin")
    """Listener of /healthz, /readyz and /metrics."""

    # Cross checks are field validators, so that they come in the same report as every other problem;
    # a field that failed is absent from info.data.

    @model_validator(mode="before")
    @classmethod
    def _name_the_absent_port(cls, raw: Any) -> Any:
        # An absent key is not validated; None is, and under the file's spelling.
        return {"SidecarPort": None, **raw} if isinstance(raw, dict) else raw

    @field_validator("socket")
    @classmethod
    def _local_socket(cls, value: str) -> str:
        if value and not is_on_this_host(parse_address(value)):
            raise ValueError("must be unix:///path or a loopback address: whoever reaches it submits jobs")
        return value

    @field_validator("sidecar_port", mode="after")
    @classmethod
    def _an_address(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is None and info.data.get("socket") == "":
            raise ValueError("either Socket or SidecarPort is required")
        return value

    @field_validator("default_flavor")
    @classmethod
    def _default_flavor_exists(cls, value: str, info: ValidationInfo) -> str:
        _require_flavor(value, info)
        return value

    @field_validator("nodes")
    @classmethod
    def _node_flavors_exist(cls, value: dict[str, NodeSettings], info: ValidationInfo) -> dict[str, NodeSettings]:
        for node in value.values():
            _require_flavor(node.default_flavor, info)
        return value

    @field_validator("flags_allowed")
    @classmethod
    def _known_flags(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in value or ():
            if name in REFUSED_FLAGS or name in OWNED_FLAGS:
                raise ValueError(f"{name} cannot be left to pods")
            try:
                split_flags(f"--{name}=1", source=name)
            except Refused:
                _a_site_flag(f"--{name}")
        return value

    @field_validator("container_runtime", mode="before")
    @classmethod
    def _supported_runtime(cls, value: object) -> object:
        if value in {"singularity", "enroot"}:
            raise ValueError("this version runs containers as plain processes only: set ContainerRuntime: plain")
        return value

    @property
    def address(self) -> Address:
        """Where the service listens."""
        if self.socket:
            return parse_address(self.socket)
        assert self.sidecar_port is not None, "validated: one of the two is there"
        return TcpAddress("127.0.0.1", self.sidecar_port)

    @property
    def umask(self) -> int:
        """JobUmask as a number."""
        return int(self.job_umask, 8)


def _require_flavor(name: str, info: ValidationInfo) -> None:
    flavors = info.data.get("flavors")
    if name and flavors is not None and name not in flavors:
        known = ", ".join(sorted(flavors)) or "none"
        raise ValueError(f"flavor {name!r} is not in Flavors ({known})")


def site_flags(texts: tuple[SiteFlag, ...]) -> tuple[Flag, ...]:
    """The options in a validated list of the file."""
    return tuple(flag for text in texts for flag in split_flags(text, source="configuration"))
