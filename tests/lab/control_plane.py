"""The Kubernetes control plane in one container, its kubeconfig, and the account of virtual kubelets."""

import subprocess
from pathlib import Path

from tests.lab import binaries, engine, pki
from tests.lab.cache import key_of
from tests.lab.images import FIRST, ensure_image
from tests.lab.kubeconfig import kubeconfig
from tests.lab.names import ROOT, Lab, LabError
from tests.lab.pki import Pair
from tests.lab.progress import say, wait_for

HOST = "kube"
PORT = 6443
SERVICE_ADDRESS = "10.96.0.1"
"""The first address of the services' range: how pods would reach the API."""
READY_LIMIT_S = 120.0
FILES = Path(__file__).parent / "files"
KUBECTL = ROOT / ".venv" / "bin" / "kubectl"
RBAC = ROOT / "roles" / "virtual_kubelet" / "files" / "rbac.yaml"
VK_NAMESPACE, VK_ACCOUNT = "interlink", "virtual-kubelet"
"""As the manifest names them."""
VK_TOKEN_LIFE = "720h"
NAMES = ("localhost", "127.0.0.1", HOST, "kubernetes", "kubernetes.default.svc", SERVICE_ADDRESS)


def admin_kubeconfig(lab: Lab) -> Path:
    return lab.directory / "kubeconfig"


def kubectl(lab: Lab, *arguments: str, stdin: bytes = b"", check: bool = True) -> str:
    """Standard output of kubectl as the cluster's administrator. LabError with its words when it fails."""
    command = [str(KUBECTL), "--kubeconfig", str(admin_kubeconfig(lab)), "--request-timeout=20s", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    if check and done.returncode != 0:
        raise LabError(f"kubectl {' '.join(arguments[:4])}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()


def up(lab: Lab) -> str:
    """Start the control plane unless it runs; the container's id. What it stores is gone when it ends."""
    kubernetes, etcd = binaries.kubernetes(), binaries.etcd()
    image = ensure_image(FIRST)
    container = lab.container(HOST)
    key = key_of(image, kubernetes.name, etcd.name, (FILES / "control-plane").read_bytes())
    if not engine.is_up(container, key):
        say(f"starting Kubernetes in {container}")
        shared = lab.directory / "kube"
        shared.mkdir(mode=0o700, exist_ok=True)
        (shared / "ready").unlink(missing_ok=True)
        options = [
            *("--volume", f"{kubernetes}:/opt/kube:ro", "--volume", f"{etcd}:/opt/etcd:ro"),
            *("--volume", f"{shared}:/etc/kube:ro", "--volume", f"{FILES / 'control-plane'}:/opt/control-plane:ro"),
        ]
        engine.start(lab, HOST, image=image, key=key, options=options, command=["/opt/control-plane"])
        _give_certificates(lab, shared, engine.address(container, lab.network))
    wait_for("Kubernetes", lambda: _missing(lab, container), READY_LIMIT_S)
    return str((engine.inspect(container) or {})["Id"])


def _give_certificates(lab: Lab, shared: Path, address: str) -> None:
    """Everything the control plane reads, and the administrator's kubeconfig; "ready" last."""
    site, own = pki.site_authority(lab.directory), pki.kubernetes_authority(lab.directory)
    private, public = pki.rsa_key_pair()
    files = {"ca.pem": site.certificate, "kube-ca.pem": own.certificate, "sa.key": private, "sa.pub": public}
    api = own.issue(pki.subject("kube-apiserver"), usage=pki.SERVER, addresses=[*NAMES, address])
    to_kubelets = own.issue(pki.subject("kube-apiserver-kubelet-client"), usage=pki.CLIENT)
    for stem, pair in (("api", api), ("kubelet-client", to_kubelets)):
        files |= {f"{stem}.pem": pair.certificate, f"{stem}.key": pair.key}
    for component in ("controller-manager", "scheduler"):
        user = own.issue(pki.subject(f"system:kube-{component}"), usage=pki.CLIENT)
        files[f"{component}.conf"] = kubeconfig(f"https://localhost:{PORT}", own.certificate, user)
    for name, data in files.items():
        pki.write_private(shared / name, data)
    admin = own.issue(pki.subject("lab-admin", "system:masters"), usage=pki.CLIENT)
    pki.write_private(admin_kubeconfig(lab), kubeconfig(f"https://{address}:{PORT}", own.certificate, admin))
    pki.write_private(shared / "ready", b"")


def _missing(lab: Lab, container: str) -> str | None:
    facts = engine.inspect(container)
    if not facts or not facts["State"]["Running"]:
        words = engine.docker("logs", "--tail", "60", container, check=False)
        raise LabError(f"{container} ended while it started: {words[-3000:]}")
    if kubectl(lab, "get", "--raw", "/readyz", check=False) != "ok":
        return "the API server is not ready"
    # The controller manager is at work when it has made this account; pods are refused before.
    if not kubectl(lab, "get", "serviceaccount", "default", "--output=name", check=False):
        return "no service account in namespace default yet"
    return None


def virtual_kubelet_kubeconfig(lab: Lab) -> bytes:
    """A kubeconfig of the account that `rbac.yaml` makes, with a token of VK_TOKEN_LIFE."""
    kubectl(lab, "apply", "--filename", str(RBAC))
    create = ["--namespace", VK_NAMESPACE, "create", "token", VK_ACCOUNT, "--duration", VK_TOKEN_LIFE]
    token = kubectl(lab, *create).strip()
    address = engine.address(lab.container(HOST), lab.network)
    return kubeconfig(f"https://{address}:{PORT}", pki.kubernetes_authority(lab.directory).certificate, token)


def kubelet_certificate(lab: Lab, node: str, address: str) -> Pair:
    """A serving certificate that the API server accepts from the kubelet port at `address`."""
    return pki.site_authority(lab.directory).issue(pki.subject(node), usage=pki.SERVER, addresses=[node, address])
