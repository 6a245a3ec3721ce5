"""The Docker Engine, by its command line: the only calls of `docker` in the lab."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lab.names import KEY_LABEL, Lab, LabError

SMALL_VOLUME = "size=128m,uid=2002,gid=2002,mode=0700"
COMMAND_TIMEOUT_S = 120.0
"""Longest time for a call that only asks or starts something; imports of images give their own."""


def docker(*arguments: str, stdin: bytes = b"", timeout_s: float = COMMAND_TIMEOUT_S, check: bool = True) -> str:
    """Standard output of `docker ARGUMENTS`. LabError with its words when it fails and `check` is true."""
    try:
        done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        raise LabError("docker: no such command. Run tests/lab/bootstrap, which installs it.") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"docker {' '.join(arguments[:4])}: no answer in {timeout_s:.0f} s") from None
    if check and done.returncode != 0:
        words = (done.stderr + done.stdout).decode(errors="replace").strip()[-2000:]
        raise LabError(f"docker {' '.join(arguments[:6])} ... (exit {done.returncode}): {words}")
    return done.stdout.decode(errors="replace")


def require_engine() -> None:
    """LabError with what to do when the Engine does not answer."""
    try:
        docker("info", "--format", "{{.ServerVersion}}", timeout_s=20)
    except LabError as error:
        raise LabError(
            f"the Docker Engine does not answer; run tests/lab/bootstrap, which starts it. {error}"
        ) from None


def execute(container: str, argv: Sequence[str], *, user: str = "root", stdin: bytes = b"", check: bool = True) -> str:
    """Standard output of a command in a container; it has no terminal and ends with the caller's patience."""
    return docker("exec", "-i", "-u", user, container, *argv, stdin=stdin, check=check)


def write_file(container: str, path: str, data: bytes, *, owner: str = "root:root", mode: str = "0644") -> None:
    """A file in a running container, complete from the first moment under its name."""
    script = (
        'set -e; mkdir -p "$(dirname "$1")"; umask 077; cat > "$1.new"; '
        'chown "$2" "$1.new"; chmod "$3" "$1.new"; mv "$1.new" "$1"'
    )
    execute(container, ["sh", "-c", script, "sh", path, owner, mode], stdin=data)


def inspect(container: str) -> dict[str, Any] | None:
    """What the Engine knows of a container; None when there is none of this name."""
    found = docker("container", "inspect", container, check=False)
    answer: list[dict[str, Any]] = json.loads(found or "[]")
    return answer[0] if answer else None


def is_up(container: str, key: str) -> bool:
    """Whether the container runs and was made from the same ingredients."""
    found = inspect(container)
    return bool(found and found["State"]["Running"] and found["Config"]["Labels"].get(KEY_LABEL) == key)


def address(container: str, network: str) -> str:
    """The container's IPv4 address on the network."""
    found = inspect(container)
    if not found or not found["State"]["Running"]:
        raise LabError(
            f"{container} does not run. `python -m tests.lab up` starts it; "
            f"`docker logs {container}` says why it ended."
        )
    return str(found["NetworkSettings"]["Networks"][network]["IPAddress"])


def gateway(network: str) -> str:
    """The address under which containers of the network reach this machine."""
    return docker("network", "inspect", network, "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()


def start(lab: Lab, host: str, *, image: str, key: str, options: Sequence[str], command: Sequence[str] = ()) -> str:
    """Start the container of `host` on the lab's network in place of an older one; its id."""
    name = lab.container(host)
    remove_containers([name])
    labels = ["--label", lab.label, "--label", f"{KEY_LABEL}={key}"]
    place = ["--network", lab.network, "--network-alias", host, "--hostname", host]
    return docker("run", "--detach", "--name", name, *labels, *place, *options, image, *command).strip()


def ensure_network(lab: Lab) -> None:
    """The lab's network; the Engine chooses a free range.

    It is made a second time with range and gateway spelled out: only then may a container keep its address at a
    restart, and only then does the Engine tell the gateway again.
    """
    if docker("network", "ls", "-q", "--filter", f"name=^{lab.network}$").strip():
        return
    try:
        docker("network", "create", "--label", lab.label, lab.network)
        place = "{{with index .IPAM.Config 0}}--subnet={{.Subnet}} --gateway={{.Gateway}}{{end}}"
        chosen = docker("network", "inspect", lab.network, "--format", place).split()
        docker("network", "rm", lab.network)
        docker("network", "create", "--label", lab.label, *chosen, lab.network)
    except LabError as error:
        if "already exists" not in str(error):
            raise


def ensure_volumes(lab: Lab) -> None:
    """The shared file system, and within it a small one in memory."""
    docker("volume", "create", "--label", lab.label, lab.volume)
    small = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o={SMALL_VOLUME}")
    docker("volume", "create", "--label", lab.label, *small, lab.small_volume)


def containers_of(lab: Lab) -> list[str]:
    return docker("ps", "-aq", "--no-trunc", "--filter", f"label={lab.label}").split()


def remove_containers(containers: Sequence[str]) -> None:
    """Remove containers by name or id with their anonymous volumes; one that is gone is fine."""
    if containers:
        docker("rm", "--force", "--volumes", *containers, check=False)


def remove_lab(lab: Lab) -> None:
    """Containers, volumes and networks that carry the lab's label; nothing else."""
    remove_containers(containers_of(lab))
    for kind in ("volume", "network"):
        if names := docker(kind, "ls", "-q", "--filter", f"label={lab.label}").split():
            docker(kind, "rm", *names)


def has_image(tag: str) -> bool:
    return bool(docker("image", "ls", "-q", tag).strip())


def import_image(archive: Path, tag: str, changes: Sequence[str]) -> None:
    """An image from the tar of a root file system."""
    options = [word for change in changes for word in ("--change", change)]
    docker("import", *options, str(archive), tag, timeout_s=600)
