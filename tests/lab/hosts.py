"""The hosts that the collection sets up: `edge` with Slurm's clients, `federation` for virtual kubelets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.lab import control_plane, engine, pki, slurm
from tests.lab.cache import key_of
from tests.lab.images import ensure_image
from tests.lab.names import SUITE_LABEL, Lab, LabError
from tests.lab.pki import Pair
from tests.lab.progress import say, wait_for

EDGE, FEDERATION = "edge", "federation"
GROUPS = {EDGE: ["hpc_edge"], FEDERATION: ["federation"]}
"""Groups of the inventory."""
PKI_DIRECTORY = "/etc/pki/dte"
CLIENT_SUBJECT = pki.subject("virtual-kubelet", "interTwin lab")
"""Who the virtual kubelets are to the interLink API."""
BOOT_LIMIT_S = 90.0

SYSTEMD_OPTIONS = (
    # Sandboxing options of units make mounts and namespaces. Not --privileged: it fails where this machine lacks
    # a capability itself.
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--cgroupns=host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    # Docker's own default is noexec.
    *("--tmpfs", "/run:exec", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec,suid,mode=1777"),
    # With TERM systemd would not stop.
    *("--stop-signal", "SIGRTMIN+3"),
)


@dataclass(frozen=True, slots=True)
class File:
    """A file of PKI_DIRECTORY. Secrets are 0640 of root: the roles give them to the group of their daemons."""

    data: bytes = field(repr=False)
    mode: str


def server_files(name: str, pair: Pair) -> dict[str, File]:
    """A certificate and its key as `<name>.pem` and `<name>.key`."""
    return {f"{name}.pem": File(pair.certificate, "0644"), f"{name}.key": File(pair.key, "0640")}


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


def _start(lab: Lab, host: str, suite: str, options: tuple[str, ...] = ()) -> bool:
    """Start a host unless it runs; whether it was started now and has no files yet."""
    image = ensure_image(suite)
    container = lab.container(host)
    key = key_of(image, *SYSTEMD_OPTIONS, *options)
    fresh = not engine.is_up(container, key)
    if fresh:
        say(f"starting host {host} ({suite}) in {container}")
        labels = ("--label", f"{SUITE_LABEL}={suite}")
        engine.start(lab, host, image=image, key=key, options=[*labels, *SYSTEMD_OPTIONS, *options])
    wait_for(f"systemd in {container}", lambda: _not_booted(container), BOOT_LIMIT_S)
    return fresh


def _give(container: str, files: Mapping[str, File]) -> None:
    for name, file in files.items():
        engine.write_file(container, f"{PKI_DIRECTORY}/{name}", file.data, mode=file.mode)


def _host_files(lab: Lab, host: str) -> dict[str, File]:
    """What each host of a site has: its certificate for servers, and whom it trusts."""
    authority = pki.site_authority(lab.directory)
    address = engine.address(lab.container(host), lab.network)
    pair = authority.issue(pki.subject(host), usage=pki.SERVER, addresses=[host, address])
    return {"ca.pem": File(authority.certificate, "0644"), **server_files("host", pair)}


def edge_up(lab: Lab, suite: str) -> None:
    """The edge: accounts, shared file system and Slurm's commands as a site has them. Needs the cluster's suite."""
    container = lab.container(EDGE)
    if _start(lab, EDGE, suite, tuple(slurm.share_options(lab))):
        slurm.configure_client(lab, container)
        engine.execute(container, ["systemctl", "--quiet", "enable", "--now", "munge.service"])
        _give(container, _host_files(lab, EDGE))
    wait_for(f"Slurm's answer on {EDGE}", lambda: _cannot_submit(container), 30)


def _cannot_submit(container: str) -> str | None:
    said = engine.execute(
        container, ["sh", "-c", "timeout 5 sinfo --noheader 2>&1"], user=slurm.ACCOUNTS[0], check=False
    )
    return None if "main" in said else said.strip() or "sinfo says nothing"


def federation_up(lab: Lab, suite: str) -> None:
    """The federation's host: certificates towards interLink APIs and the API server, and a kubeconfig. Needs `kube`."""
    container = lab.container(FEDERATION)
    if _start(lab, FEDERATION, suite):
        client = pki.site_authority(lab.directory).issue(CLIENT_SUBJECT, usage=pki.CLIENT)
        callers = pki.kubernetes_authority(lab.directory).certificate
        _give(
            container,
            {
                **_host_files(lab, FEDERATION),
                **server_files("client", client),
                "kubelet-client-ca.pem": File(callers, "0644"),
            },
        )
    _give_kubeconfig(lab, container)


def _give_kubeconfig(lab: Lab, container: str) -> None:
    """Write the virtual kubelets' kubeconfig, and again when the control plane is another one."""
    ids = [str((engine.inspect(name) or {}).get("Id")) for name in (container, lab.container(control_plane.HOST))]
    given = lab.directory / "kubeconfig-given"
    if given.exists() and given.read_text().split() == ids:
        return
    _give(container, {"kubeconfig": File(control_plane.virtual_kubelet_kubeconfig(lab), "0640")})
    given.write_text("\n".join(ids))
