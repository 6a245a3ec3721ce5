"""Environments of containers become plain names and values."""

import base64

import pytest

from dte.interlink.virtual_kubelet.env import Context, environment, with_plain_environment
from dte.interlink.virtual_kubelet.notes import NotYet
from dte.interlink.virtual_kubelet.sources import Reference
from dte.runtime.errors import Refused
from tests.unit.virtual_kubelet.builders import PLACE, pod

CONFIG = Reference("ConfigMap", "cm")
SECRET = Reference("Secret", "s")


def secret(**data: bytes):
    return {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}}


def resolve(container, sources=None, **context):
    the_pod = pod(metadata={"labels": {"app.kubernetes.io/name": "x"}}, spec={"containers": [container]})
    return environment(container, Context(the_pod, sources or {}, PLACE, **context))


def test_a_value_sees_the_variables_before_it_and_none_after():
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(C)-$$(A)"}, {"name": "C", "value": "3"}]
    assert resolve({"name": "c", "env": env}).variables == {"A": "1", "B": "1-$(C)-$(A)", "C": "3"}


def test_what_a_config_map_brings_in_is_not_expanded():
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}},
    ]
    assert resolve({"name": "c", "env": env}, {CONFIG: {"data": {"k": "$(A)"}}}).variables["B"] == "$(A)"


def test_env_wins_over_env_from_and_env_from_gets_its_prefix():
    container = {
        "name": "c",
        "envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "P_"}, {"secretRef": {"name": "s"}}],
        "env": [{"name": "x", "value": "mine"}],
    }
    sources = {CONFIG: {"data": {"a": "1"}}, SECRET: secret(x=b"theirs", y=b"2")}
    assert resolve(container, sources).variables == {"P_a": "1", "x": "mine", "y": "2"}


def test_values_keep_every_byte():
    value = 'quote " and \' $HOME `id` \\n\nnew line \t {"json": [1]} ü'
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    assert resolve({"name": "c", "env": env}, {SECRET: secret(k=value.encode())}).variables["A"] == value


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param({"configMapKeyRef": {"name": "cm", "key": "k"}}, "MandatoryConfigMapNotFound", id="config map"),
        pytest.param({"secretKeyRef": {"name": "s", "key": "k"}}, "MandatorySecretNotFound", id="secret"),
    ],
)
def test_a_mandatory_object_that_is_missing_makes_the_pod_wait(source, reason):
    with pytest.raises(NotYet) as caught:
        resolve({"name": "c", "env": [{"name": "A", "valueFrom": source}]})
    assert caught.value.note.reason == reason
    assert "env A of container c" in caught.value.note.message


def test_a_key_that_is_missing_makes_the_pod_wait():
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}}]
    with pytest.raises(NotYet, match="has no key 'k'"):
        resolve({"name": "c", "env": env}, {CONFIG: {"data": {}}})


def test_an_optional_object_that_is_missing_is_left_out_and_said_so():
    container = {
        "name": "c",
        "envFrom": [{"secretRef": {"name": "s", "optional": True}}],
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k", "optional": True}}}],
    }
    resolved = resolve(container)
    assert resolved.variables == {}
    assert [note.reason for note in resolved.notes] == ["OptionalSecretNotFound", "OptionalConfigMapNotFound"]


def test_a_key_that_is_no_name_of_a_variable_is_left_out_and_said_so():
    resolved = resolve({"name": "c", "envFrom": [{"configMapRef": {"name": "cm"}}]}, {CONFIG: {"data": {"a=b": "1"}}})
    assert resolved.variables == {}
    assert resolved.notes[0].reason == "InvalidEnvironmentVariableNames"


def test_bytes_that_are_no_text_are_refused_with_what_to_do():
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    with pytest.raises(Refused, match="not UTF-8 and cannot be a variable; mount it"):
        resolve({"name": "c", "env": env}, {SECRET: secret(k=b"\xff\xfe")})


def test_binary_data_of_a_config_map_never_becomes_environment():
    sources = {CONFIG: {"data": {"a": "1"}, "binaryData": {"b": "AAE="}}}
    assert resolve({"name": "c", "envFrom": [{"configMapRef": {"name": "cm"}}]}, sources).variables == {"a": "1"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "ns"),
        ("spec.nodeName", "vk"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "127.0.0.1"),
        ("status.hostIP", "192.0.2.10"),
        ("metadata.labels['app.kubernetes.io/name']", "x"),
        ("metadata.annotations['absent']", ""),
    ],
)
def test_a_field_reference_gives_the_fact(path, value):
    env = [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}]
    assert resolve({"name": "c", "env": env}).variables["A"] == value


def test_a_field_that_nobody_serves_is_refused():
    with pytest.raises(Refused, match=r"'spec.hostname' is not served"):
        resolve({"name": "c", "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.hostname"}}}]})


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        pytest.param({"resource": "limits.cpu"}, "2", id="1500m are 2 cores, rounded up"),
        pytest.param({"resource": "limits.cpu", "divisor": "1m"}, "1500", id="in thousandths"),
        pytest.param({"resource": "requests.memory", "divisor": "1Mi"}, "512", id="a request"),
        pytest.param({"resource": "limits.memory", "divisor": "1Gi"}, "256", id="no limit: what the node has"),
        pytest.param({"resource": "requests.cpu"}, "2", id="no request: the limit"),
        pytest.param({"resource": "limits.cpu", "divisor": "0"}, "2", id="divisor zero is one"),
    ],
)
def test_a_resource_reference_counts_in_its_divisor(reference, value):
    resources = {"limits": {"cpu": "1500m"}, "requests": {"memory": "512Mi"}}
    env = [{"name": "A", "valueFrom": {"resourceFieldRef": reference}}]
    assert resolve({"name": "c", "resources": resources, "env": env}).variables["A"] == value


def test_the_clusters_address_is_there_unless_the_pod_sets_it():
    service = {"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "6443"}
    env = [
        {"name": "KUBERNETES_SERVICE_PORT", "value": "1"},
        {"name": "A", "value": "$(KUBERNETES_SERVICE_HOST)"},
    ]
    variables = resolve({"name": "c", "env": env}, service=service).variables
    assert variables == {"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "1", "A": "192.0.2.1"}


def test_the_container_sent_has_literal_values_only_and_the_rest_unchanged():
    container = {"name": "c", "command": ["sh", "$(A)"], "envFrom": [{"configMapRef": {"name": "cm"}}]}
    plain = with_plain_environment(container, resolve(container, {CONFIG: {"data": {"A": "1"}}}))
    assert plain == {"name": "c", "command": ["sh", "$(A)"], "env": [{"name": "A", "value": "1"}]}
