"""The virtual kubelet's configuration file: upstream's keys where they mean something here, and ours."""

import ipaddress
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from dte.interlink.upstream_keys import UPSTREAM_KEYS
from dte.interlink.virtual_kubelet.amounts import is_capacity
from dte.runtime.address import Address, TcpAddress, is_on_this_host, parse_address
from dte.runtime.settings import AdminSettings, Settings, TlsSettings


def _quantity(value: str) -> str:
    if not is_capacity(value):
        raise ValueError("must be a Kubernetes quantity that is not negative, such as 100 or 3000G")
    return value


def _ip(value: str) -> str:
    return str(ipaddress.ip_address(value))


def _label(value: str) -> str:
    if "=" not in value or value.startswith("="):
        raise ValueError("must be written name=value")
    return value


def _as_text(value: object) -> object:
    """Upstream writes ports and amounts as strings; YAML authors often as numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("no such file")
    return path


def _listening(value: str) -> str:
    if not isinstance(parse_address(value), TcpAddress):
        raise ValueError("write address:port: the API server calls kubelets over TCP")
    return value


File = Annotated[Path, AfterValidator(_is_file)]
TcpListen = Annotated[str, AfterValidator(_listening)]
Quantity = Annotated[str, BeforeValidator(_as_text), AfterValidator(_quantity)]
IpAddress = Annotated[str, AfterValidator(_ip)]
Label = Annotated[str, AfterValidator(_label)]
Port = Annotated[int, Field(ge=1, le=65535)]
DnsName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]


class Accelerator(Settings):
    """GPUs or FPGAs of the site, as an extended resource of the node."""

    resource_type: str = Field(alias="ResourceType")
    """The resource's name, such as `nvidia.com/gpu`."""
    model: str = Field(default="", alias="Model")
    """Becomes the label `nvidia-gpu-type`, `xilinx-fpga-type` or `intel-fpga-type`."""
    available: Quantity = Field(alias="Available")


class ResourceSettings(Settings):
    """What the node offers until, and unless, the site's answer to a ping says otherwise."""

    cpu: Quantity = Field(default="0", alias="CPU")
    memory: Quantity = Field(default="0", alias="Memory")
    pods: Quantity = Field(default="0", alias="Pods")
    accelerators: tuple[Accelerator, ...] = Field(default=(), alias="Accelerators")


class Taint(Settings):
    key: str = Field(alias="Key", min_length=1)
    value: str = Field(default="", alias="Value")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(alias="Effect")


class HttpSettings(Settings):
    """How to treat an InterlinkURL."""

    insecure: bool = Field(default=False, alias="Insecure")
    """Accept http:// to another machine. Secrets of pods then travel unencrypted."""
    ca_cert: File | None = Field(default=None, alias="CaCert")
    """PEM bundle, used when TLS.CACertFile is not set."""


class VirtualKubeletSettings(Settings):
    """Read once at start; nothing else reads files or the environment."""

    accepted_keys: ClassVar[frozenset[str]] = UPSTREAM_KEYS

    node_name: DnsName = Field(alias="NodeName")
    """The virtual node's name in the cluster."""
    kubeconfig_file: File | None = Field(default=None, alias="KubeconfigFile")
    """How to reach the cluster. Without it: the service account of the pod that this runs in."""
    pod_ip: IpAddress | None = Field(default=None, alias="PodIP")
    """Upstream's name of NodeIP."""
    node_ip: IpAddress | None = Field(default=None, alias="NodeIP")
    """InternalIP of the node: where the API server finds KubeletListen. PodIP stands in for it."""
    offloaded_pod_ip: IpAddress = Field(default="127.0.0.1", alias="OffloadedPodIP")
    """podIP of every pod: a job at a site has no address in the cluster."""

    kubelet_listen: TcpListen = Field(default="0.0.0.0:10250", alias="KubeletListen")
    """address:port where the API server fetches logs."""
    kubelet_cert_file: File = Field(alias="KubeletCertFile")
    """PEM chain with NodeIP among its names, of a CA that the API server trusts for kubelets."""
    kubelet_key_file: File = Field(alias="KubeletKeyFile")
    kubelet_client_ca_file: File = Field(alias="KubeletClientCAFile")
    """PEM bundle. Only clients with a certificate of it are answered: the API server's kubelet client."""

    interlink_port: Annotated[Port | None, BeforeValidator(lambda value: value or None)] = Field(
        default=None, alias="InterlinkPort"
    )
    tls: TlsSettings = Field(default=TlsSettings(), alias="TLS")
    """The client certificate for the interLink API, and the CA of its server certificate."""
    http: HttpSettings = Field(default=HttpSettings(), alias="HTTP")
    interlink_url: str = Field(alias="InterlinkURL")
    """https://host or unix:///path of the interLink API."""
    token_file: File | None = Field(default=None, alias="VKTokenFile")
    """A bearer token for the interLink API, read for every request."""
    job_script_builder_url: str = Field(default="", alias="JobScriptBuilderURL")

    resources: ResourceSettings = Field(default=ResourceSettings(), alias="Resources")
    node_labels: tuple[Label, ...] = Field(default=(), alias="NodeLabels")
    node_taints: tuple[Taint, ...] = Field(default=(), alias="NodeTaints")

    kubernetes_api_address: str | None = Field(default=None, alias="KubernetesApiAddr")
    """Where jobs reach the cluster's API; with the port it becomes KUBERNETES_SERVICE_HOST and its kin."""
    kubernetes_api_port: Annotated[Port | None, BeforeValidator(lambda value: value or None)] = Field(
        default=None, alias="KubernetesApiPort"
    )
    kubernetes_api_ca: str | None = Field(default=None, alias="KubernetesApiCaCrt")
    """PEM text that jobs get as ca.crt instead of the cluster's own."""
    disable_projected_volumes: bool = Field(default=False, alias="DisableProjectedVolumes")
    """Send no projected volumes: jobs then have no token of their service account."""

    status_interval_s: float = Field(default=5.0, ge=1, le=300, alias="StatusInterval")
    """Seconds between two questions for the state of all pods, while the site has no stream of changes."""
    ping_interval_s: float = Field(default=30.0, ge=1, le=600, alias="PingInterval")
    lease_duration_s: int = Field(default=40, ge=15, le=600, alias="LeaseDuration")
    """Seconds after which the cluster calls the node lost. Renewed every quarter of it."""
    outage_toleration_s: Annotated[int, Field(ge=0)] | Literal["keep"] | None = Field(
        default=None, alias="OutageTolerationSeconds"
    )
    """How long pods bear an outage of this daemon before the cluster deletes them: null for ever, or at least so many
    seconds; `keep` leaves their tolerations as they are."""
    create_concurrency: int = Field(default=16, ge=1, le=256, alias="CreateConcurrency")
    """Creates, and likewise deletes, sent at once to the site."""

    verbose_logging: bool = Field(default=False, alias="VerboseLogging")
    errors_only_logging: bool = Field(default=False, alias="ErrorsOnlyLogging")
    admin: AdminSettings = Field(default=AdminSettings(), alias="Admin")

    @property
    def internal_ip(self) -> str:
        """The node's address in the cluster."""
        address = self.node_ip or self.pod_ip
        assert address is not None, "checked when the settings were read"
        return address

    @property
    def interlink_address(self) -> Address:
        default = self.interlink_port or (443 if self.interlink_url.startswith("https") else 80)
        return parse_address(self.interlink_url, default)

    @property
    def kubelet_address(self) -> TcpAddress:
        address = parse_address(self.kubelet_listen)
        assert isinstance(address, TcpAddress), "checked when the settings were read"
        return address

    @property
    def interlink_tls(self) -> TlsSettings | None:
        """None for plain HTTP (unix socket, loopback)."""
        if not self.interlink_url.startswith("https://"):
            return None
        files = self.tls if self.tls.enabled else TlsSettings()
        return files.model_copy(update={"ca_cert_file": files.ca_cert_file or self.http.ca_cert})

    @property
    def kubelet_tls(self) -> TlsSettings:
        return TlsSettings(
            Enabled=True,
            CertFile=self.kubelet_cert_file,
            KeyFile=self.kubelet_key_file,
            CACertFile=self.kubelet_client_ca_file,
        )

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, raw: object) -> object:
        # A default is validated under its Python name, which no operator knows; a null under its key.
        return {"NodeIP": None, **raw} if isinstance(raw, dict) and "node_ip" not in raw else raw

    @field_validator("node_ip")
    @classmethod
    def _some_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("pod_ip") is None:
            raise ValueError("is required: the address at which the API server reaches KubeletListen")
        return value

    @field_validator("interlink_url")
    @classmethod
    def _safe_transport(cls, value: str, info: ValidationInfo) -> str:
        address = parse_address(value, info.data.get("interlink_port") or 80)
        http: HttpSettings | None = info.data.get("http")
        plain = isinstance(address, TcpAddress) and not value.startswith("https://")
        if plain and not (http and http.insecure) and not is_on_this_host(address):
            raise ValueError(
                "secrets of pods would travel unencrypted; use https:// or unix://,"
                " or set HTTP.Insecure for a network that is yours alone"
            )
        return value

    @field_validator("tls")
    @classmethod
    def _usable_files(cls, value: TlsSettings) -> TlsSettings:
        if not value.enabled:
            return value
        if (value.cert_file is None) != (value.key_file is None):
            raise ValueError("CertFile and KeyFile belong together; set both or none")
        for path in (value.cert_file, value.key_file, value.ca_cert_file):
            if path is not None:
                _is_file(path)
        return value
