"""A logged-in client of the Kubernetes API from a kubeconfig file or the pod's own service account."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration

from dte.runtime.errors import ConfigError

CONNECTIONS = 64
"""Requests to the API server at once, the watch among them."""


@contextlib.asynccontextmanager
async def api_client(kubeconfig: Path | None) -> AsyncIterator[ApiClient]:
    """Raises ConfigError when the kubeconfig, or the service account's files, cannot be used."""
    configuration = Configuration()
    configuration.connection_pool_maxsize = CONNECTIONS
    try:
        if kubeconfig is None:
            load_in_cluster: Callable[..., None] = config.load_incluster_config
            load_in_cluster(client_configuration=configuration)
        else:
            await config.load_kube_config(str(kubeconfig), client_configuration=configuration, persist_config=False)
        client = ApiClient(configuration)
    except (config.ConfigException, OSError, ValueError) as error:
        source = f"KubeconfigFile: {kubeconfig}" if kubeconfig else "KubeconfigFile: not set, and in-cluster login"
        raise ConfigError([f"{source}: {error}"]) from error
    try:
        yield client
    finally:
        await client.close()
