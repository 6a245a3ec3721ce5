"""Kubeconfig files: whom a client trusts and who it is, with all it needs inside."""

import base64

import yaml

from tests.lab.pki import Pair


def _embedded(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def kubeconfig(server: str, authority: bytes, user: Pair | str) -> bytes:
    """The file's text; `server` is an https URL, `user` a client certificate or a bearer token."""
    if isinstance(user, Pair):
        credentials = {
            "client-certificate-data": _embedded(user.certificate),
            "client-key-data": _embedded(user.key),
        }
    else:
        credentials = {"token": user}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "lab", "cluster": {"server": server, "certificate-authority-data": _embedded(authority)}}
        ],
        "users": [{"name": "user", "user": credentials}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "user"}}],
        "current-context": "lab",
    }
    return yaml.safe_dump(document).encode()
