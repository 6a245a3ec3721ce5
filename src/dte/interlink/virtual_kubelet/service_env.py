"""The KUBERNETES_* variables by which a program finds the cluster's API (Kubernetes documentation, "Service")."""

from collections.abc import Mapping


def service_environment(address: str | None, port: int | None) -> Mapping[str, str]:
    """The variables for an API server that jobs reach at `address`:`port`; empty unless both are set."""
    if not address or not port:
        return {}
    host = f"[{address}]" if ":" in address else address
    url = f"tcp://{host}:{port}"
    return {
        "KUBERNETES_SERVICE_HOST": address,
        "KUBERNETES_SERVICE_PORT": str(port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(port),
        "KUBERNETES_PORT": url,
        "KUBERNETES_PORT_443_TCP": url,
        "KUBERNETES_PORT_443_TCP_ADDR": address,
        "KUBERNETES_PORT_443_TCP_PORT": str(port),
        "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    }
