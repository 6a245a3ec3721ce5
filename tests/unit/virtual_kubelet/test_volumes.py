"""Which ConfigMaps and Secrets travel with a pod."""

import base64

import pytest

from dte.interlink.virtual_kubelet.notes import NotYet
from dte.interlink.virtual_kubelet.sources import Reference, raw_values, references
from dte.interlink.virtual_kubelet.volumes import volume_objects
from tests.unit.virtual_kubelet.builders import pod

CONFIG = Reference("ConfigMap", "cm")
SECRET = Reference("Secret", "s")


def with_volumes(*volumes):
    return pod(spec={"volumes": list(volumes)})


def test_every_object_that_a_pod_names_is_found():
    the_pod = pod(
        spec={
            "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "a"}}]}],
            "containers": [{"name": "c", "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "b"}}}]}],
            "volumes": [
                {"name": "v", "secret": {"secretName": "c"}},
                {"name": "w", "projected": {"sources": [{"configMap": {"name": "d"}}, {"secret": {"name": "e"}}]}},
                {"name": "x", "emptyDir": {}},
            ],
        }
    )
    assert sorted(f"{item.kind} {item.name}" for item in references(the_pod)) == [
        "ConfigMap a",
        "ConfigMap d",
        "Secret b",
        "Secret c",
        "Secret e",
    ]


def test_an_object_of_two_volumes_travels_once_and_without_its_history():
    the_pod = with_volumes({"name": "v", "configMap": {"name": "cm"}}, {"name": "w", "configMap": {"name": "cm"}})
    item = {"metadata": {"name": "cm", "managedFields": [{"manager": "kubectl"}]}, "data": {"k": "v"}}
    objects = volume_objects(the_pod, {CONFIG: item})
    assert objects.config_maps == ({"metadata": {"name": "cm"}, "data": {"k": "v"}},)


@pytest.mark.parametrize(
    ("volume", "reason"),
    [
        ({"name": "v", "configMap": {"name": "cm"}}, "MandatoryConfigMapNotFound"),
        ({"name": "v", "secret": {"secretName": "s"}}, "MandatorySecretNotFound"),
    ],
)
def test_a_missing_object_makes_the_pod_wait(volume, reason):
    with pytest.raises(NotYet) as caught:
        volume_objects(with_volumes(volume), {})
    assert caught.value.note.reason == reason


def test_a_missing_optional_object_is_left_out():
    the_pod = with_volumes({"name": "v", "secret": {"secretName": "s", "optional": True}})
    objects = volume_objects(the_pod, {SECRET: None})
    assert objects.secrets == ()
    assert [note.reason for note in objects.notes] == ["OptionalSecretNotFound"]


def test_a_missing_key_of_items_makes_the_pod_wait_unless_it_is_optional():
    volume = {"name": "v", "configMap": {"name": "cm", "items": [{"key": "k", "path": "p"}]}}
    with pytest.raises(NotYet, match="has no key 'k'"):
        volume_objects(with_volumes(volume), {CONFIG: {"data": {}}})
    volume["configMap"]["optional"] = True
    assert volume_objects(with_volumes(volume), {CONFIG: {"data": {}}}).config_maps


def test_values_of_both_kinds_come_out_as_bytes():
    encoded = base64.b64encode(b"\x00\xff").decode()
    assert raw_values({"data": {"a": "ü"}, "binaryData": {"b": encoded}}, "ConfigMap") == {
        "a": "ü".encode(),
        "b": b"\x00\xff",
    }
    assert raw_values({"data": {"b": encoded, "broken": "*"}}, "Secret") == {"b": b"\x00\xff"}
