"""A logged-in client of the Kubernetes API from a kubeconfig file or the pod's own service account."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
import yaml
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration

from dte.interlink.virtual_kubelet.cluster import Cluster
from dte.interlink.virtual_kubelet.times import Clock
from dte.runtime.errors import ConfigError, Refused, Unavailable
from dte.runtime.files import Stamp, stamp

log = structlog.get_logger()

CONNECTIONS = 64
"""Requests to the API server at once, the watch among them."""
LOOK_INTERVAL_S = 10.0
"""Between two looks at the kubeconfig and the files that it names."""
_UNUSABLE = (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError, KeyError)
"""What reading a kubeconfig raises: the library leaves a file of another shape to Python's own errors."""


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
    except _UNUSABLE as error:
        source = f"KubeconfigFile: {kubeconfig}" if kubeconfig else "KubeconfigFile: not set, and in-cluster login"
        raise ConfigError([f"{source}: {error}"]) from error
    try:
        yield client
    finally:
        await client.close()


async def follow_kubeconfig(cluster: Cluster, kubeconfig: Path, clock: Clock) -> None:
    """For ever: log in anew when the file, or one that it names, was changed, or when the login is refused.

    A file that cannot be used, or leads to another cluster, leaves the login there is, and is tried again.
    """
    seen = tried = await asyncio.to_thread(_stamps, kubeconfig)
    # A client that was replaced is closed only with the next one: its requests under way may finish.
    async with contextlib.AsyncExitStack() as clients:
        while True:
            await clock.wait(asyncio.Event(), LOOK_INTERVAL_S)
            now = await asyncio.to_thread(_stamps, kubeconfig)
            if now == seen and not cluster.is_login_refused:
                continue
            try:
                fresh = await _log_in(cluster, kubeconfig)
            except (ConfigError, Unavailable, Refused) as error:
                if now != tried:
                    log.warning("kubeconfig_not_used", file=str(kubeconfig), error=str(error))
                tried = now
                continue
            seen = tried = now
            log.info("kubeconfig_read_again", file=str(kubeconfig))
            replaced = clients.pop_all()
            clients.push_async_exit(fresh)
            await clock.wait(asyncio.Event(), LOOK_INTERVAL_S)
            await replaced.aclose()


async def _log_in(cluster: Cluster, kubeconfig: Path) -> contextlib.AsyncExitStack:
    """Make `cluster` use a new client, which the stack that is returned closes."""
    async with contextlib.AsyncExitStack() as stack:
        await cluster.use(await stack.enter_async_context(api_client(kubeconfig)))
        return stack.pop_all()


def _stamps(kubeconfig: Path) -> Sequence[Stamp | None]:
    return [stamp(path) for path in (kubeconfig, *_named_files(kubeconfig))]


_FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _named_files(kubeconfig: Path) -> Sequence[Path]:
    """Files that a kubeconfig names, relative ones beside it; none for one that cannot be read."""
    try:
        raw: Any = yaml.safe_load(kubeconfig.read_text())
        parts = [item.get("cluster") for item in raw.get("clusters") or ()]
        parts += [item.get("user") for item in raw.get("users") or ()]
        names = [part.get(key) for part in parts for key in _FILE_KEYS]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError):
        return ()
    return [kubeconfig.parent / name for name in names if isinstance(name, str) and name]
