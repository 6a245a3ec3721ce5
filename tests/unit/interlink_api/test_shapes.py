"""Bodies of any shape are walked or refused, never stumbled over."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink import wire
from dte.interlink.api.shapes import check_create, check_log_request, check_pod
from dte.interlink.api.volumes import match_volumes
from dte.runtime.errors import Malformed

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def pod(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": "vk", "uid": UID, **metadata}, "spec": {}}


def test_the_smallest_pod_is_good() -> None:
    check_pod(pod())


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        pytest.param({"uid": "../../etc"}, "must be a UUID", id="uid is a path"),
        pytest.param({"uid": UID.upper()}, "must be a UUID", id="upper case"),
        pytest.param({"namespace": "../x"}, "pod.metadata.namespace must be a name", id="namespace is a path"),
        pytest.param({"namespace": None}, "pod.metadata.namespace", id="no namespace"),
        pytest.param({"name": "a b"}, "pod.metadata.name", id="name"),
        pytest.param({"labels": []}, "pod.metadata.labels must be a JSON object", id="labels"),
    ],
)
def test_a_pod_that_cannot_be_named_is_malformed(metadata: dict[str, Any], text: str) -> None:
    with pytest.raises(Malformed, match=text):
        check_pod(pod(**metadata))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "initContainers": JSON | st.lists(st.dictionaries(st.sampled_from(["name", "volumeMounts"]), JSON)),
            "containers": JSON | st.lists(st.dictionaries(st.sampled_from(["name", "volumeMounts"]), JSON)),
            "volumes": JSON | st.lists(st.dictionaries(st.sampled_from(["name", "configMap", "secret"]), JSON)),
            "serviceAccountName": JSON,
        },
    ),
    JSON,
)
def test_a_spec_of_any_shape_is_walked_or_malformed(spec: dict[str, Any], objects: Any) -> None:
    body = {"pod": {**pod(), "spec": spec}, "configmaps": objects, "secrets": [{"metadata": objects}]}
    try:
        request = wire.decode_create_request(msgspec.json.encode(body))
        check_create(request)
    except Malformed:
        return
    assert len(match_volumes(request).containers) == len(spec.get("initContainers") or ()) + len(
        spec.get("containers") or ()
    )


def log_request(**changes: Any) -> wire.LogRequest:
    whole = {"Namespace": "vk", "PodUID": UID, "PodName": "p", "ContainerName": "c", "Opts": {}, **changes}
    return wire.decode_log_request(msgspec.json.encode(whole))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"Namespace": "a.b"}, "invalid namespace: must be a valid DNS label"),
        ({"PodUID": "x"}, "invalid pod UID: must be a valid UUID"),
        ({"PodUID": UID.upper()}, "invalid pod UID: must be a valid UUID"),
        ({"ContainerName": "../c"}, "invalid container name: must be a valid DNS label"),
        ({"Opts": {"Tail": 1, "Bytes": 1}}, "Both Tail and LimitBytes set. Set only one of them"),
        (
            {"Opts": {"SinceSeconds": 1, "SinceTime": "2026-01-01T00:00:00Z"}},
            "Both SinceSeconds and SinceTime set. Set only one of them",
        ),
    ],
)
def test_log_requests_are_refused_in_upstreams_words(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(Malformed) as caught:
        check_log_request(log_request(**changes))
    assert str(caught.value) == text


def test_unset_times_and_counts_do_not_collide() -> None:
    check_log_request(log_request(Opts={"Tail": 5, "Bytes": 0, "SinceSeconds": 3, "SinceTime": "0001-01-01T00:00:00Z"}))
