"""Containers in which systemd is process 1: the options to start one, and to wait until it has booted."""

from tests.lab import engine
from tests.lab.names import LabError
from tests.lab.progress import wait_for

OPTIONS = (
    # Sandboxing options of units make mounts and namespaces. Not --privileged: it fails where this machine lacks
    # a capability itself.
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    # Control groups of its own: two labs have nodes and units of the same names.
    "--cgroupns=private",
    # Docker's own default is noexec.
    *("--tmpfs", "/run:exec", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec,suid,mode=1777"),
    # With TERM systemd would not stop.
    *("--stop-signal", "SIGRTMIN+3"),
    # For file systems in user space: sshfs, images of container runtimes.
    *("--device", "/dev/fuse"),
)
BOOT_LIMIT_S = 90.0


def wait_until_booted(container: str) -> None:
    """Wait until all units of the boot are done. LabError with the container's last words when it ends instead."""
    wait_for(f"systemd in {container}", lambda: _not_booted(container), BOOT_LIMIT_S)


def _not_booted(container: str) -> str | None:
    state = engine.execute(container, ["systemctl", "is-system-running"], check=False).strip()
    if state in ("running", "degraded"):
        return None
    facts = engine.inspect(container)
    if not facts or not facts["State"]["Running"]:
        raise LabError(
            f"{container} ended at its start: {engine.docker('logs', '--tail', '20', container, check=False)}"
        )
    return f"systemd is {state or 'not there'}"
