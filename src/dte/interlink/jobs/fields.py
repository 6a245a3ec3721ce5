"""Every field of a pod and what becomes of it: the one table that warnings, docs/pods.md and their tests are made of.

A test holds it against the fields that the Kubernetes client knows, and plans a pod for each row. No I/O here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any


class Fate(Enum):
    """The values are the words of docs/pods.md."""

    HONOURED = "honoured"
    BATCH = "option of the batch system"
    NATURE = "so by nature"
    """On a compute node it is so for every pod, whether asked for or not."""
    CLUSTER = "done by the cluster"
    """By scheduler, API server or virtual kubelet: nothing is left to do at the site."""
    SILENT = "left out"
    """Without a word, because the API server writes it into pods that did not ask."""
    WARNED = "left out, with an event"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Field:
    """`example` is a value that asks for something; `text` says how, or is what the pod's author is told."""

    fate: Fate
    example: Any
    text: str = ""


Fields = Mapping[str, Field]

NO_IMAGES = "images are not used at this site, programs are the compute node's own (ContainerRuntime plain)"
AS_THE_ACCOUNT = "is not honoured: the job runs as the site's account"
NOT_OFFERED = "which this site does not offer"
_COMMAND = {"exec": {"command": ["true"]}}
_PROBE = {**_COMMAND, "periodSeconds": 5}

POD: Fields = MappingProxyType(
    {
        "activeDeadlineSeconds": Field(
            Fate.HONOURED, 90, "counts from the start of the job; `--time` of the job leaves it the grace period"
        ),
        "affinity": Field(Fate.CLUSTER, {"nodeAffinity": {}}),
        "automountServiceAccountToken": Field(Fate.CLUSTER, True),
        "containers": Field(Fate.HONOURED, [{"name": "d", "image": "i", "command": ["x"]}]),
        "dnsConfig": Field(Fate.WARNED, {"nameservers": ["::1"]}, "is not honoured: the node's resolver is used"),
        "dnsPolicy": Field(Fate.SILENT, "ClusterFirst", "the compute node's resolver is used"),
        "enableServiceLinks": Field(Fate.SILENT, True, "Services of the cluster cannot be reached from a job"),
        "ephemeralContainers": Field(Fate.WARNED, [{"name": "e"}], "are not run"),
        "hostAliases": Field(Fate.WARNED, [{"ip": "::1"}], "is not honoured"),
        "hostIPC": Field(Fate.NATURE, True),
        "hostNetwork": Field(Fate.NATURE, True, "ports are the compute node's, other jobs may have taken them"),
        "hostPID": Field(Fate.NATURE, True),
        "hostUsers": Field(Fate.SILENT, False, "the job runs as the site's account"),
        "hostname": Field(Fate.WARNED, "h", "is not honoured: the compute node keeps its name"),
        "hostnameOverride": Field(Fate.WARNED, "h", "is not honoured: the compute node keeps its name"),
        "imagePullSecrets": Field(Fate.SILENT, [{"name": "s"}], "images are not used"),
        "initContainers": Field(Fate.HONOURED, [{"name": "i", "image": "i", "command": ["x"]}]),
        "nodeName": Field(Fate.BATCH, "other", "chooses partitions and flavor (`Nodes`)"),
        "nodeSelector": Field(Fate.CLUSTER, {"a": "b"}),
        "os": Field(Fate.REFUSED, {"name": "windows"}, "os: this site runs linux only"),
        "overhead": Field(Fate.CLUSTER, {"cpu": "1"}),
        "preemptionPolicy": Field(Fate.CLUSTER, "Never"),
        "priority": Field(Fate.CLUSTER, 5),
        "priorityClassName": Field(Fate.CLUSTER, "high"),
        "readinessGates": Field(Fate.CLUSTER, [{"conditionType": "a"}]),
        "resourceClaims": Field(Fate.WARNED, [{"name": "r"}], "are not honoured"),
        "resources": Field(
            Fate.WARNED, {"limits": {"cpu": "1"}}, "of the whole pod are not honoured: set them on its containers"
        ),
        "restartPolicy": Field(Fate.HONOURED, "OnFailure", "inside the allocation, with Kubernetes' pauses"),
        "runtimeClassName": Field(Fate.WARNED, "r", "is not honoured"),
        "schedulerName": Field(Fate.CLUSTER, "default-scheduler"),
        "schedulingGates": Field(Fate.CLUSTER, [{"name": "g"}]),
        "schedulingGroup": Field(Fate.CLUSTER, {"podGroupName": "g"}),
        "securityContext": Field(Fate.WARNED, {"runAsUser": 0}, AS_THE_ACCOUNT),
        "serviceAccount": Field(Fate.CLUSTER, "s"),
        "serviceAccountName": Field(Fate.CLUSTER, "s", "tokens are the virtual kubelet's; part of the job's comment"),
        "setHostnameAsFQDN": Field(Fate.WARNED, True, "is not honoured: the compute node keeps its name"),
        "shareProcessNamespace": Field(Fate.NATURE, True),
        "subdomain": Field(Fate.WARNED, "s", "is not honoured"),
        "terminationGracePeriodSeconds": Field(Fate.HONOURED, 5),
        "tolerations": Field(Fate.CLUSTER, [{"key": "a"}]),
        "topologySpreadConstraints": Field(Fate.CLUSTER, [{"maxSkew": 1}]),
        "volumes": Field(
            Fate.HONOURED,
            [{"name": "v", "emptyDir": {"medium": "Memory"}}],
            "of the kinds below; only those that are mounted count",
        ),
    }
)
"""Of spec."""

CONTAINER: Fields = MappingProxyType(
    {
        "args": Field(Fate.HONOURED, ["a"]),
        "command": Field(Fate.HONOURED, ["y"], "required: without images there is no entry point"),
        "env": Field(Fate.HONOURED, [{"name": "A", "value": "b"}], "references are resolved by the virtual kubelet"),
        "envFrom": Field(Fate.REFUSED, [{"prefix": "x"}], "envFrom must be resolved before the pod is sent to a site"),
        "image": Field(Fate.WARNED, "busybox", NO_IMAGES),
        "imagePullPolicy": Field(Fate.SILENT, "Always", "images are not used"),
        "lifecycle": Field(
            Fate.HONOURED, {"postStart": _COMMAND}, "postStart, preStop (exec, httpGet, tcpSocket, sleep), stopSignal"
        ),
        "livenessProbe": Field(Fate.HONOURED, _PROBE, "exec, httpGet, tcpSocket, grpc, with every field"),
        "name": Field(Fate.HONOURED, "other"),
        "ports": Field(Fate.NATURE, [{"containerPort": 1}], "the compute node's; probes and hooks may use their names"),
        "readinessProbe": Field(Fate.HONOURED, _PROBE, "as livenessProbe"),
        "resizePolicy": Field(Fate.SILENT, [{"resourceName": "cpu"}], "a job keeps its size"),
        "resources": Field(
            Fate.BATCH,
            {"limits": {"cpu": "2"}},
            "`--cpus-per-task`, `--mem`, `--gres` by `GresMap`; refused without an entry there",
        ),
        "restartPolicy": Field(Fate.HONOURED, "Always", "wins over the pod's; an init container is a sidecar then"),
        "restartPolicyRules": Field(Fate.REFUSED, [{"action": "Restart"}], "restartPolicyRules is not supported"),
        "securityContext": Field(Fate.WARNED, {"privileged": True}, AS_THE_ACCOUNT),
        "startupProbe": Field(Fate.HONOURED, _PROBE, "as livenessProbe"),
        "stdin": Field(Fate.WARNED, True, "is not honoured: standard input is empty"),
        "stdinOnce": Field(Fate.WARNED, True, "is not honoured: standard input is empty"),
        "terminationMessagePath": Field(
            Fate.HONOURED,
            "/tmp/message",  # noqa: S108 - an example of what a pod may say
            "`/dev/termination-log` only in containers that mount something",
        ),
        "terminationMessagePolicy": Field(Fate.HONOURED, "FallbackToLogsOnError"),
        "tty": Field(Fate.WARNED, True, "is not honoured: output goes to a pipe"),
        "volumeDevices": Field(Fate.REFUSED, [{"name": "v"}], "volumeDevices are not offered at this site"),
        "volumeMounts": Field(Fate.HONOURED, []),
        "workingDir": Field(Fate.HONOURED, "/usr"),
    }
)
"""Of spec.containers[] and spec.initContainers[]."""

MOUNT: Fields = MappingProxyType(
    {
        "mountPath": Field(Fate.HONOURED, "/other"),
        "mountPropagation": Field(Fate.WARNED, "Bidirectional", "mountPropagation is not honoured"),
        "name": Field(Fate.HONOURED, "w", "of a volume that the pod defines, else refused"),
        "readOnly": Field(Fate.HONOURED, True),
        "recursiveReadOnly": Field(Fate.NATURE, "Enabled", "read-only mounts are so with all below"),
        "subPath": Field(Fate.HONOURED, "a/b"),
        "subPathExpr": Field(Fate.HONOURED, "of-$(A)"),
    }
)
"""Of volumeMounts[]."""

_REFUSED_KINDS = (
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "image",
    "iscsi",
    "nfs",
    "persistentVolumeClaim",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
)
VOLUME: Fields = MappingProxyType(
    {
        "configMap": Field(Fate.HONOURED, {"name": "o"}, "items, modes, optional, binaryData; read-only"),
        "downwardAPI": Field(Fate.HONOURED, {"items": []}, "filled by the virtual kubelet; read-only"),
        "emptyDir": Field(Fate.HONOURED, {"sizeLimit": "1Mi"}, "medium Memory, sizeLimit"),
        "hostPath": Field(Fate.HONOURED, {"path": "/exa/x"}, "every type, below `HostPathAllowed`; else refused"),
        "name": Field(Fate.HONOURED, "v"),
        "projected": Field(Fate.HONOURED, {"sources": []}, "all sources, filled by the virtual kubelet; read-only"),
        "secret": Field(Fate.HONOURED, {"secretName": "o"}, "as configMap; files are for the account only"),
        **{kind: Field(Fate.REFUSED, {"x": "y"}, NOT_OFFERED) for kind in _REFUSED_KINDS},
    }
)
"""Of volumes[]: the kinds."""

TABLES: Mapping[str, Fields] = MappingProxyType(
    {
        "spec": POD,
        "spec.containers[], spec.initContainers[]": CONTAINER,
        "volumeMounts[]": MOUNT,
        "spec.volumes[]": VOLUME,
    }
)


def warned(fields: Fields, thing: Mapping[str, Any]) -> Sequence[tuple[str, Field]]:
    """The fields of `thing` that are set and are left out with an event."""
    return [(name, field) for name, field in fields.items() if field.fate is Fate.WARNED and thing.get(name)]
