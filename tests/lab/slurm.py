"""The Slurm cluster: slurmctld and four slurmd in one container; what makes another container its client."""

import secrets
from collections import Counter
from pathlib import Path

from tests.lab import engine, project
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
FILES = Path(__file__).parent / "files"
RUN_DIRECTORY = "/run/lab"
"""In slurm1, the checkout's .lab/run: what a test on this machine shares with a daemon in there."""

SANDBOX_OPTIONS = (
    # What bubblewrap needs to make namespaces as an ordinary user inside the container.
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined"),
)


def munge_key(lab: Lab) -> bytes:
    """The key that all hosts of this lab share; made once per lab."""
    path = lab.directory / "munge.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(128))
    return path.read_bytes()


def configure_client(lab: Lab, container: str) -> None:
    """Write munge's key and slurm.conf, so that Slurm's commands work once munged runs."""
    engine.write_file(container, "/etc/munge/munge.key", munge_key(lab), owner="munge:munge", mode="0400")
    engine.write_file(container, "/etc/slurm/slurm.conf", (FILES / "slurm.conf").read_bytes())


def share_options(lab: Lab) -> list[str]:
    """Options of `docker run` for the shared file system."""
    return ["--volume", f"{lab.volume}:/exa"]


def _missing_nodes(container: str) -> str | None:
    states = Counter(
        engine.execute(container, ["timeout", "5", "sinfo", "-hN", "-p", "main", "-o", "%t"], check=False).split()
    )
    working = sum(states[state] for state in ("idle", "mix", "alloc", "comp"))
    return None if working == NODES else f"sinfo says {dict(states) or 'nothing'}, wanted {NODES} nodes idle"


def _is_well(container: str) -> bool:
    """Whether a running cluster has all its nodes; a test that was killed may have left it without a controller."""
    try:
        wait_for(f"Slurm's nodes in {container}", lambda: _missing_nodes(container), WELL_LIMIT_S)
    except LabError as error:
        say(f"{error}: starting it anew")
        return False
    return True


def up(lab: Lab, suite: str) -> str:
    """Start the cluster unless it runs; the container's id."""
    image = ensure_image(suite)
    container = lab.container(HOST)
    files = [(FILES / name).read_bytes() for name in ("slurm.conf", "slurm-daemons")]
    key = key_of(image, project.libraries_key(suite), project.COMMAND, *files)
    if not engine.is_up(container, key) or not _is_well(container):
        say(f"starting Slurm ({suite}) in {container}")
        shared = lab.directory / "run"
        shared.mkdir(exist_ok=True)
        shared.chmod(0o1777)
        options = [
            *("--init", "--label", f"{SUITE_LABEL}={suite}", *SANDBOX_OPTIONS, *share_options(lab)),
            *("--volume", f"{shared}:{RUN_DIRECTORY}", *project.mounts(suite)),
        ]
        engine.start(lab, HOST, image=image, key=key, options=options, command=["sleep", "infinity"])
        _start_daemons(lab, container)
    wait_for(f"Slurm's nodes in {container}", lambda: _missing_nodes(container), READY_LIMIT_S)
    return str((engine.inspect(container) or {})["Id"])


def _start_daemons(lab: Lab, container: str) -> None:
    configure_client(lab, container)
    engine.write_file(container, "/usr/local/sbin/slurm-daemons", (FILES / "slurm-daemons").read_bytes(), mode="0755")
    engine.write_file(container, "/usr/local/bin/dte", project.COMMAND.encode(), mode="0755")
    for account in ACCOUNTS:
        engine.execute(container, ["install", "-d", "-o", account, "-g", account, "-m", "0700", f"/exa/{account}"])
    engine.execute(container, ["slurm-daemons", "start"])
