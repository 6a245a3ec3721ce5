"""The rights that a virtual kubelet needs in its cluster: the rules of the role's rbac.yaml, one by one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LEASE_NAMESPACE: Final = "kube-node-lease"


@dataclass(frozen=True, slots=True)
class Right:
    """A verb on a kind of object; `namespace` empty: in all of them, or one without namespaces."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        kind = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        place = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {kind}{place}"

    def attributes(self) -> Mapping[str, str]:
        """As resourceAttributes of a SelfSubjectAccessReview."""
        return {
            "verb": self.verb,
            "group": self.group,
            "resource": self.resource,
            "subresource": self.subresource,
            "namespace": self.namespace,
        }


def _rights(group: str, kind: str, verbs: str, namespace: str = "") -> tuple[Right, ...]:
    resource, _, subresource = kind.partition("/")
    return tuple(Right(verb, group, resource, subresource, namespace) for verb in verbs.split())


RIGHTS: Final = (
    *_rights("", "nodes", "create get patch"),
    *_rights("", "nodes/status", "patch update"),
    *_rights("", "pods", "get list watch patch delete"),
    *_rights("", "pods/status", "patch update"),
    *_rights("", "configmaps", "get list watch"),
    *_rights("", "services", "get list watch"),
    *_rights("", "secrets", "get"),
    *_rights("", "namespaces", "get"),
    *_rights("", "serviceaccounts", "get"),
    *_rights("", "serviceaccounts/token", "create"),
    *_rights("", "events", "create patch"),
    *_rights("events.k8s.io", "events", "create patch"),
    *_rights("coordination.k8s.io", "leases", "create get patch update", LEASE_NAMESPACE),
)
