"""Job directories of upstream's plugin: what its files say of a pod and its job. Blocks; raises OSError.

Its names are a contract (docs/wire/job-directory.md): `JobID.jid`, `PodUID.uid`, `PodNamespace.ns`, `StartedAt.time`,
`FinishedAt.time`, `run-CONTAINER.status`. Its job writes no status.json and leaves no notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dte.interlink.jobs.directory import JobDirectory, checked_label
from dte.interlink.jobs.status import ContainerState, Ended, JobStatus, Kind, Phase
from dte.interlink.wire import Creator
from dte.runtime.errors import BadOutput, Refused
from dte.runtime.files import read_regular

from .life import Event, moved
from .parse import is_job_id
from .record import ContainerName, Maker, Record

JOB_ID_FILE: Final = "JobID.jid"
POD_UID_FILE: Final = "PodUID.uid"
NAMESPACE_FILE: Final = "PodNamespace.ns"
BODY_FILE: Final = "job.sh"
ENVIRONMENT_SUFFIX: Final = "_envfile.properties"
"""`CONTAINER_envfile.properties`: the container's variables, secret ones too."""
GRACE_PERIOD_S: Final = 30
"""Kubernetes' default: the directory does not tell the pod's own."""
MAX_VALUE_BYTES: Final = 4096
MAX_BODY_BYTES: Final = 64 << 20

_CALL = re.compile(r"^\s*run(Init)?Ctn\s+['\"]?([a-z0-9-]{1,63})['\"]?(?:\s|$)", re.MULTILINE | re.ASCII)
_RESULT = re.compile(r"(run|init)-([a-z0-9-]{1,63})\.(?:out|status)", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,9})? ([+-]\d{4})", re.ASCII)


def adopted_record(directory: JobDirectory, *, owner_id: str, creator: Creator | None, now: float) -> Record | None:
    """The record of a directory without one, as upstream's plugin left it; None when it is none of its directories.

    Without a job id nobody knows whether it was submitted: that is an intent, which the queue may still confirm.
    Raises BadOutput for one of its directories that does not tell the pod's containers.
    """
    if _value(directory, POD_UID_FILE) != directory.uid:
        return None
    job_id = _value(directory, JOB_ID_FILE)
    if job_id and not is_job_id(job_id):
        raise BadOutput(f"{JOB_ID_FILE} holds no job id: {job_id!r:.80}")
    kinds = _containers(directory)
    if Kind.MAIN not in kinds.values():
        raise BadOutput("neither job.sh nor other files name a container")
    intent = Record(
        namespace=directory.namespace,
        pod_name="",
        pod_uid=directory.uid,
        node="",
        state=moved(None, Event.INTEND),
        owner_id=owner_id,
        creator=creator,
        comment="",
        containers=tuple(ContainerName(name, "") for name, kind in kinds.items() if kind is Kind.MAIN),
        init_containers=tuple(ContainerName(name, "") for name, kind in kinds.items() if kind is Kind.INIT),
        grace_period_s=GRACE_PERIOD_S,
        created_at=now,
        made_by=Maker.UPSTREAM,
    )
    return intent.submitted(job_id) if job_id else intent


def read_status(directory: JobDirectory, record: Record) -> JobStatus | None:
    """What the job's files say of its containers; None while they say nothing."""
    started_at = _time(directory.started_at)
    containers: dict[str, ContainerState] = {}
    for kind, names in ((Kind.INIT, record.init_containers), (Kind.MAIN, record.containers)):
        for container in names:
            state = _state(directory, container.name, kind, started_at)
            if state is not None:
                containers[container.name] = state
    if not containers:
        return None
    ends = [state.ended for state in containers.values() if state.kind is Kind.MAIN]
    is_over = len(ends) == len(record.containers) and None not in ends
    last = max((end.finished_at for end in ends if end is not None and end.finished_at), default=None)
    return JobStatus(
        job_id=record.job_id,
        host="",
        containers=containers,
        started_at=started_at,
        finished_at=(_time(directory.finished_at) or last) if is_over else None,
    )


def _state(directory: JobDirectory, name: str, kind: Kind, started_at: datetime | None) -> ContainerState | None:
    init = kind is Kind.INIT
    path = directory.exit_status(name, init=init)
    text = _read(path)
    # Upstream's script does not write it in one piece: no number is no end.
    if text.isascii() and text.isdigit() and int(text) <= 255:
        finished_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return ContainerState(
            kind, Phase.TERMINATED, ended=Ended(int(text), started_at=started_at, finished_at=finished_at)
        )
    log = directory.log(name, init=init)
    if not log.exists():
        return None
    return ContainerState(kind, Phase.RUNNING, started_at=started_at)


def _containers(directory: JobDirectory) -> Mapping[str, Kind]:
    """Names in the order in which the script runs them; what ran although no script is left comes last."""
    kinds: dict[str, Kind] = {}
    for init, name in _CALL.findall(_read(directory.path / BODY_FILE, MAX_BODY_BYTES)):
        kinds.setdefault(name, Kind.INIT if init else Kind.MAIN)
    for entry in sorted(path.name for path in directory.path.iterdir()):
        result = _RESULT.fullmatch(entry)
        if result:
            kinds.setdefault(result[2], Kind.INIT if result[1] == "init" else Kind.MAIN)
    return {name: kinds[name] for name in _labels(kinds)}


def _labels(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        try:
            yield checked_label(name, "container name")
        except Refused:
            continue


def _value(directory: JobDirectory, name: str) -> str:
    return _read(directory.path / name)


def _read(path: Path, limit: int = MAX_VALUE_BYTES) -> str:
    """Empty for a file that is not there."""
    try:
        return read_regular(path, limit).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""


def _time(path: Path) -> datetime | None:
    """A time as Go prints it: `2006-01-02 15:04:05.999999999 -0700 MST`; None when there is none."""
    match = _TIME.match(_read(path))
    if match is None:
        return None
    try:
        return datetime.strptime(f"{match[1]}{(match[2] or '.0')[:7]}{match[3]}", "%Y-%m-%d %H:%M:%S.%f%z")
    except ValueError:
        return None
