"""Bodies as a virtual kubelet sends them."""

from typing import Any

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
OTHER_UID = "0e02b2c3-aaaa-4bbb-8ccc-d479f47ac10b"


def pod(uid: str = UID, namespace: str = "climate") -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": namespace, "uid": uid, "creationTimestamp": None},
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": "img",
                    "resources": {},
                    "volumeMounts": [{"name": "kube-api-access", "mountPath": "/token"}],
                }
            ],
            "volumes": [{"name": "kube-api-access", "projected": {"sources": []}}],
            "serviceAccountName": "default",
        },
        "status": {},
    }


def create(uid: str = UID, namespace: str = "climate", **changes: Any) -> dict[str, Any]:
    token = {"metadata": {"name": "kube-api-access"}, "data": {"token": "t"}}
    return {
        "pod": pod(uid, namespace),
        "configmaps": None,
        "secrets": [],
        "projectedvolumesmaps": [token],
        "jobscriptURL": "",
        **changes,
    }


def logs(uid: str = UID, *, follow: bool = False) -> dict[str, Any]:
    return {
        "Namespace": "climate",
        "PodUID": uid,
        "PodName": "p",
        "ContainerName": "c",
        "Opts": {"Follow": follow, "SinceTime": "0001-01-01T00:00:00Z"},
    }
