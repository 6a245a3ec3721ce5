"""The names of a job's files (docs/wire/job-directory.md). Only names: nothing here opens one, but for the listing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dte.interlink.pods import DNS_LABEL, checked_uid
from dte.runtime.errors import Refused

_UID_LENGTH = 36
NOTICES = ".notices"


def checked_label(text: str, what: str) -> str:
    """`text` itself when it is a DNS label (RFC 1123), as Kubernetes has it for namespaces, containers and volumes.

    Raises Refused: anything else must not become part of a path.
    """
    if not DNS_LABEL.fullmatch(text):
        raise Refused(f"{what} must be a DNS label (a-z, 0-9 and -, at most 63 characters), got {text[:80]!r}")
    return text


@dataclass(frozen=True, slots=True)
class JobDirectory:
    """`<root>/<namespace>-<uid>/`, upstream's name. Raises Refused for parts that could leave `root`."""

    root: Path
    namespace: str
    uid: str

    def __post_init__(self) -> None:
        checked_label(self.namespace, "namespace")
        try:
            checked_uid(self.uid)
        except ValueError as error:
            raise Refused(f"pod UID must be a UUID in lower case, got {self.uid[:80]!r}") from error

    @property
    def path(self) -> Path:
        return self.root / f"{self.namespace}-{self.uid}"

    @property
    def record(self) -> Path:
        """The sidecar's record of the job; its content is the sidecar's."""
        return self.path / "record.json"

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def script(self) -> Path:
        """What is submitted."""
        return self.path / "job.slurm"

    @property
    def supervisor(self) -> Path:
        return self.path / "supervisor.pyz"

    @property
    def output(self) -> Path:
        """Standard output and error of the batch script: the supervisor's own words, never a container's."""
        return self.path / "job.out"

    @property
    def claim(self) -> Path:
        """Holds the id of the one job that may run this pod, and a newline; absent until a job has started."""
        return self.path / "claim"

    @property
    def status(self) -> Path:
        """The supervisor's account of all containers; absent until a job has started."""
        return self.path / "status.json"

    @property
    def started_at(self) -> Path:
        return self.path / "StartedAt.time"

    @property
    def finished_at(self) -> Path:
        return self.path / "FinishedAt.time"

    @property
    def work(self) -> Path:
        """The current directory of containers without workingDir."""
        return self.path / "work"

    @property
    def notices(self) -> Path:
        """One directory for all jobs of a root: the supervisors rename files into it, the sidecar watches it."""
        return self.root / NOTICES

    @property
    def notice(self) -> Path:
        """Replaced after every change of `status`."""
        return self.notices / self.uid

    def log(self, container: str, *, init: bool = False) -> Path:
        """Standard output and error of a container, byte for byte."""
        return self._of_container(container, "out", init=init)

    def log_index(self, container: str, *, init: bool = False) -> Path:
        """When which byte of `log` was written."""
        return self._of_container(container, "idx", init=init)

    def previous_log(self, container: str, *, init: bool = False) -> Path:
        """The log of the run before the last restart."""
        return self._of_container(container, "prev.out", init=init)

    def previous_log_index(self, container: str, *, init: bool = False) -> Path:
        return self._of_container(container, "prev.idx", init=init)

    def exit_status(self, container: str, *, init: bool = False) -> Path:
        """Exit code in decimal and a newline; written once, when the container has ended for good."""
        return self._of_container(container, "status", init=init)

    def _of_container(self, container: str, suffix: str, *, init: bool) -> Path:
        checked_label(container, "container name")
        return self.path / f"{'init' if init else 'run'}-{container}.{suffix}"


def list_job_directories(root: Path) -> Iterator[JobDirectory]:
    """All job directories under `root`, also those that upstream's plugin made. Blocks; raises OSError."""
    for path in sorted(root.iterdir()):
        name = path.name
        try:
            directory = JobDirectory(root, name[: -_UID_LENGTH - 1], name[-_UID_LENGTH:])
        except Refused:
            continue
        if directory.path == path and path.is_dir():
            yield directory
