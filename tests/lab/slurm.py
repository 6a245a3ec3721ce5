"""The Slurm cluster in one container, with accounting, limits and plugins; what makes another container its client."""

import secrets
from collections import Counter
from pathlib import Path

from tests.lab import engine, project, systemd
from tests.lab.cache import key_of
from tests.lab.images import ensure_image
from tests.lab.names import SUITE_LABEL, Lab, LabError
from tests.lab.progress import say, wait_for

HOST = "slurm1"
ACCOUNTS = ("twin01", "twin02")
"""Local accounts 2001 and 2002, in the image; each owns a directory under /exa that nobody else reads."""
NODES = 4
READY_LIMIT_S = 60.0
WELL_LIMIT_S = 20.0
"""More than a busy machine needs to answer sinfo, less than a person waits."""
FILES = Path(__file__).parent / "files" / "slurm"
RUN_DIRECTORY = "/run/lab"
"""In slurm1, the checkout's .lab/run: what a test on this machine shares with a daemon in there."""

SANDBOX_OPTIONS = (
    # What bubblewrap and Apptainer need to make namespaces as an ordinary user inside the container.
    *("--security-opt", "systempaths=unconfined"),
)

_PLACES = {
    "cgroup.conf": "/etc/slurm/cgroup.conf",
    "gres.conf": "/etc/slurm/gres.conf",
    "job_submit.lua": "/etc/slurm/job_submit.lua",
    "slurmd@.service": "/etc/systemd/system/slurmd@.service",
    "slurmrestd.service": "/etc/systemd/system/slurmrestd.service",
    "slurm-daemons": "/usr/local/sbin/slurm-daemons",
}
"""Files that only the cluster's own host has -> where; besides slurmdbd.conf, whose owner is slurm."""


def munge_key(lab: Lab) -> bytes:
    """The key that all hosts of this lab share; made once per lab."""
    path = lab.directory / "munge.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(128))
    return path.read_bytes()


def slurm_conf() -> bytes:
    """The cluster's slurm.conf; how jobs are tracked depends on the control groups of this machine."""
    tracking = "tracking-v1.conf" if limits_memory() else "tracking-plain.conf"
    return (FILES / "slurm.conf").read_bytes() + (FILES / tracking).read_bytes()


def limits_memory() -> bool:
    """Whether Slurm ends jobs that take more memory than they asked for: with cgroup v1 only, v2 was not tested."""
    return engine.docker("info", "--format", "{{.CgroupVersion}}").strip() == "1"


def configure_client(lab: Lab, container: str) -> None:
    """Write what Slurm's commands need; they work once munged runs."""
    engine.write_file(container, "/etc/munge/munge.key", munge_key(lab), owner="munge:munge", mode="0400")
    engine.write_file(container, "/etc/slurm/cli_filter.lua", (FILES / "cli_filter.lua").read_bytes())
    engine.write_file(container, "/etc/slurm/slurm.conf", slurm_conf())


def share_options(lab: Lab) -> list[str]:
    """Options of `docker run` for the shared file systems."""
    return ["--volume", f"{lab.volume}:/exa", "--volume", f"{lab.small_volume}:/exa/{ACCOUNTS[1]}"]


def _missing_nodes(container: str) -> str | None:
    states = Counter(
        engine.execute(container, ["timeout", "5", "sinfo", "-hN", "-p", "main", "-o", "%t"], check=False).split()
    )
    working = sum(states[state] for state in ("idle", "mix", "alloc", "comp"))
    return None if working == NODES else f"sinfo says {dict(states) or 'nothing'}, wanted {NODES} nodes idle"


def _missing_accounting(container: str) -> str | None:
    command = ["timeout", "5", "sacctmgr", "--noheader", "--parsable2", "show", "user", "format=user"]
    users = engine.execute(container, command, check=False).split()
    missing = sorted(set(ACCOUNTS) - set(users))
    return f"slurmdbd knows no user {', '.join(missing)}" if missing else None


def _is_well(container: str) -> bool:
    """Whether a running cluster is complete; a test that was killed may have left it without a part."""
    try:
        wait_for(f"Slurm's nodes in {container}", lambda: _missing_nodes(container), WELL_LIMIT_S)
        wait_for(f"Slurm's accounting in {container}", lambda: _missing_accounting(container), WELL_LIMIT_S)
    except LabError as error:
        say(f"{error}: starting it anew")
        return False
    return True


def up(lab: Lab, suite: str) -> str:
    """Start the cluster unless it runs; the container's id."""
    image = ensure_image(suite)
    container = lab.container(HOST)
    options = [
        *("--label", f"{SUITE_LABEL}={suite}", *systemd.OPTIONS, *SANDBOX_OPTIONS, *share_options(lab)),
        *("--volume", f"{lab.directory / 'run'}:{RUN_DIRECTORY}", *project.mounts(suite)),
    ]
    files = [path.read_bytes() for path in sorted(FILES.iterdir())]
    key = key_of(image, project.libraries_key(suite), project.COMMAND, *options, *files)
    if not engine.is_up(container, key) or not _is_well(container):
        say(f"starting Slurm ({suite}) in {container}")
        shared = lab.directory / "run"
        shared.mkdir(exist_ok=True)
        shared.chmod(0o1777)
        engine.start(lab, HOST, image=image, key=key, options=options)
        systemd.wait_until_booted(container)
        _set_up(lab, container)
    wait_for(f"Slurm's nodes in {container}", lambda: _missing_nodes(container), READY_LIMIT_S)
    return str((engine.inspect(container) or {})["Id"])


def _set_up(lab: Lab, container: str) -> None:
    configure_client(lab, container)
    for name, path in _PLACES.items():
        mode = "0755" if name == "slurm-daemons" else "0644"
        engine.write_file(container, path, (FILES / name).read_bytes(), mode=mode)
    secret = (FILES / "slurmdbd.conf").read_bytes()
    engine.write_file(container, "/etc/slurm/slurmdbd.conf", secret, owner="slurm:slurm", mode="0600")
    engine.write_file(container, "/usr/local/bin/dte", project.COMMAND.encode(), mode="0755")
    for account in ACCOUNTS:
        engine.execute(container, ["install", "-d", "-o", account, "-g", account, "-m", "0700", f"/exa/{account}"])
    engine.execute(container, ["slurm-daemons", "setup"])
