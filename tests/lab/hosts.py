"""The hosts that the collection sets up: `edge` with Slurm's clients, `federation` for virtual kubelets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.lab import control_plane, engine, pki, slurm, systemd
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


@dataclass(frozen=True, slots=True)
class File:
    """A file of PKI_DIRECTORY. Secrets are 0640 of root: the roles give them to the group of their daemons."""

    data: bytes = field(repr=False)
    mode: str


def pair_files(name: str, pair: Pair) -> dict[str, File]:
    """A certificate and its key as `<name>.pem` and `<name>.key`."""
    return {f"{name}.pem": File(pair.certificate, "0644"), f"{name}.key": File(pair.key, "0640")}


def _start(lab: Lab, host: str, suite: str, options: tuple[str, ...] = ()) -> bool:
    """Start a host unless it runs; whether it was started now and has no files yet."""
    image = ensure_image(suite)
    container = lab.container(host)
    key = key_of(image, *systemd.OPTIONS, *options)
    fresh = not engine.is_up(container, key)
    if fresh:
        say(f"starting host {host} ({suite}) in {container}")
        labels = ("--label", f"{SUITE_LABEL}={suite}")
        engine.start(lab, host, image=image, key=key, options=[*labels, *systemd.OPTIONS, *options])
    systemd.wait_until_booted(container)
    return fresh


def _give(container: str, files: Mapping[str, File]) -> None:
    for name, file in files.items():
        engine.write_file(container, f"{PKI_DIRECTORY}/{name}", file.data, mode=file.mode)


def _host_files(lab: Lab, container: str, host: str) -> dict[str, File]:
    """What each host of a site has: its certificate for servers, and whom it trusts."""
    authority = pki.site_authority(lab.directory)
    address = engine.address(container, lab.network)
    pair = authority.issue(pki.subject(host), usage=pki.SERVER, addresses=[host, address])
    return {"ca.pem": File(authority.certificate, "0644"), **pair_files("host", pair)}


def _caller_files(lab: Lab) -> dict[str, File]:
    """What virtual kubelets need besides: who they are to interLink APIs, and whom their kubelet ports answer."""
    client = pki.site_authority(lab.directory).issue(CLIENT_SUBJECT, usage=pki.CLIENT)
    callers = pki.kubernetes_authority(lab.directory).certificate
    return {**pair_files("client", client), "kubelet-client-ca.pem": File(callers, "0644")}


def edge_up(lab: Lab, suite: str) -> None:
    """The edge: accounts, shared file system and Slurm's commands as a site has them. Needs the cluster's suite."""
    container = lab.container(EDGE)
    if _start(lab, EDGE, suite, tuple(slurm.share_options(lab))):
        _take_accounts_from_a_database(container)
        _make_slurm_client(lab, container)
        _give(container, _host_files(lab, container, EDGE))
    wait_for(f"Slurm's answer on {EDGE}", lambda: _cannot_submit(container), 30)


def _take_accounts_from_a_database(container: str) -> None:
    """Move the site's accounts out of /etc/passwd into files that can vanish, as LDAP can at a site."""
    names = "|".join(slurm.ACCOUNTS)
    script = f"""set -e
        install -d /var/lib/extrausers
        for file in passwd group shadow; do
            grep -E '^({names}):' /etc/$file > /var/lib/extrausers/$file
            sed -i -E '/^({names}):/d' /etc/$file
        done
        chgrp shadow /var/lib/extrausers/shadow
        chmod 0640 /var/lib/extrausers/shadow"""
    engine.execute(container, ["sh", "-c", script])


def _make_slurm_client(lab: Lab, container: str) -> None:
    slurm.configure_client(lab, container)
    engine.execute(container, ["systemctl", "--quiet", "enable", "munge.service"])
    engine.execute(container, ["systemctl", "restart", "munge.service"])


def as_account(name: str = slurm.ACCOUNTS[0]) -> list[str]:
    """Leading words of a command that root runs as a site's account: the Engine itself knows only /etc/passwd."""
    return ["runuser", "--user", name, "--"]


def _cannot_submit(container: str) -> str | None:
    said = engine.execute(container, [*as_account(), "sh", "-c", "timeout 5 sinfo --noheader 2>&1"], check=False)
    return None if "main" in said else said.strip() or "sinfo says nothing"


def federation_up(lab: Lab, suite: str) -> None:
    """The federation's host: certificates towards interLink APIs and the API server, and a kubeconfig. Needs `kube`."""
    container = lab.container(FEDERATION)
    if _start(lab, FEDERATION, suite):
        _give(container, {**_host_files(lab, container, FEDERATION), **_caller_files(lab)})
    _give_kubeconfig(lab, container)


def _give_kubeconfig(lab: Lab, container: str) -> None:
    """Write the virtual kubelets' kubeconfig, and again when the control plane is another one."""
    ids = [str((engine.inspect(name) or {}).get("Id")) for name in (container, lab.container(control_plane.HOST))]
    given = lab.directory / "kubeconfig-given"
    if given.exists() and given.read_text().split() == ids:
        return
    _give(container, {"kubeconfig": File(control_plane.virtual_kubelet_kubeconfig(lab), "0640")})
    given.write_text("\n".join(ids))


def join(lab: Lab, container: str) -> None:
    """Give a systemd container that somebody else started from our image what edge and federation have.

    It must be on the lab's network; the kubeconfig comes only while the control plane runs.
    """
    facts = engine.inspect(container)
    if not facts or lab.network not in facts["NetworkSettings"]["Networks"]:
        raise LabError(f"{container}: not a container on network {lab.network}; start it there (docker run --network)")
    systemd.wait_until_booted(container)
    _make_slurm_client(lab, container)
    _give(container, {**_host_files(lab, container, facts["Config"]["Hostname"]), **_caller_files(lab)})
    if engine.inspect(lab.container(control_plane.HOST)):
        _give(container, {"kubeconfig": File(control_plane.virtual_kubelet_kubeconfig(lab), "0640")})
