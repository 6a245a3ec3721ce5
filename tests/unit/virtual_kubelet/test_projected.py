"""Projected and downwardAPI volumes become files with their contents."""

import base64

import pytest

from dte.interlink.virtual_kubelet.env import Context
from dte.interlink.virtual_kubelet.notes import NotYet
from dte.interlink.virtual_kubelet.projected import Material, TokenWish, projected_files, to_wire, token_wishes
from dte.interlink.virtual_kubelet.sources import Reference
from dte.runtime.errors import Refused
from tests.unit.virtual_kubelet.builders import PLACE, pod

API_ACCESS = {
    "name": "kube-api-access-x",
    "projected": {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ],
    },
}
ROOT_CA = {Reference("ConfigMap", "kube-root-ca.crt"): {"data": {"ca.crt": "PEM"}}}


def files(*volumes, sources=None, tokens=None, root_ca=None, **more):
    the_pod = pod(spec={"volumes": list(volumes), **more.get("spec", {})}, metadata=more.get("metadata", {}))
    material = Material(Context(the_pod, sources or {}, PLACE), tokens or {}, root_ca)
    return [to_wire(item) for item in projected_files(the_pod, material)]


def test_the_volume_that_every_pod_has_comes_out_as_three_files():
    wish = TokenWish("kube-api-access-x", "token", "", 3607)
    (wire,) = files(API_ACCESS, sources=ROOT_CA, tokens={wish: "eyJ"})
    assert wire == {
        "metadata": {"name": "kube-api-access-x"},
        "data": {"token": "eyJ", "ca.crt": "PEM", "namespace": "ns"},
    }


def test_jobs_may_get_another_certificate_of_the_cluster():
    wish = TokenWish("kube-api-access-x", "token", "", 3607)
    (wire,) = files(API_ACCESS, sources=ROOT_CA, tokens={wish: "eyJ"}, root_ca="OTHER")
    assert wire["data"]["ca.crt"] == "OTHER"


def test_a_token_is_asked_for_with_its_audience_and_life():
    source = {"serviceAccountToken": {"path": "vault", "audience": "vault.example", "expirationSeconds": 7200}}
    the_pod = pod(spec={"volumes": [{"name": "v", "projected": {"sources": [source]}}]})
    assert token_wishes(the_pod) == (TokenWish("v", "vault", "vault.example", 7200),)


def test_a_projected_secret_is_there_whole_or_as_items_name_it():
    sources = {Reference("Secret", "s"): {"data": {"a": base64.b64encode(b"1").decode(), "b": "Mg=="}}}
    whole = {"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}
    picked = {
        "name": "w",
        "projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "b", "path": "d/b"}]}}]},
    }
    assert [wire["data"] for wire in files(whole, picked, sources=sources)] == [{"a": "1", "b": "2"}, {"d/b": "2"}]


def test_bytes_that_are_no_text_travel_as_base64():
    sources = {Reference("ConfigMap", "cm"): {"binaryData": {"b": "AP8="}}}
    (wire,) = files({"name": "v", "projected": {"sources": [{"configMap": {"name": "cm"}}]}}, sources=sources)
    assert wire == {"metadata": {"name": "v"}, "data": {}, "binaryData": {"b": "AP8="}}


def test_labels_are_sorted_quoted_lines():
    volume = {"name": "v", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}}
    (wire,) = files(volume, metadata={"labels": {"z": 'say "hi"\n', "a": "\x01ü"}})
    assert wire["data"]["l"] == 'a="\\x01ü"\nz="say \\"hi\\"\\n"'


def test_a_file_may_hold_a_containers_limit():
    item = {"path": "cpu", "resourceFieldRef": {"containerName": "c", "resource": "limits.cpu"}}
    containers = [{"name": "c", "resources": {"limits": {"cpu": "4"}}}]
    (wire,) = files({"name": "v", "downwardAPI": {"items": [item]}}, spec={"containers": containers})
    assert wire["data"] == {"cpu": "4"}


def test_a_missing_config_map_makes_the_pod_wait_unless_it_is_optional():
    source = {"configMap": {"name": "cm"}}
    with pytest.raises(NotYet):
        files({"name": "v", "projected": {"sources": [source]}})
    source["configMap"]["optional"] = True
    assert files({"name": "v", "projected": {"sources": [source]}}) == [{"metadata": {"name": "v"}, "data": {}}]


def test_a_source_that_nobody_serves_is_refused():
    volume = {"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"name": "x", "path": "y"}}]}}
    with pytest.raises(Refused, match="'clusterTrustBundle' is not served by this node"):
        files(volume)


def test_volumes_of_other_types_are_none_of_ours():
    assert files({"name": "v", "emptyDir": {}}, {"name": "w", "secret": {"secretName": "s"}}) == []
