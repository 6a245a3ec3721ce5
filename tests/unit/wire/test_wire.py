"""The codec of interLink: round trips, old spellings, and any bytes at all."""

import pytest
from hypothesis import given, strategies

from dte.interlink import wire
from dte.runtime.errors import Malformed

POD = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"containers": [{"name": "c"}]}}
texts = strategies.text(max_size=20)
objects = strategies.lists(strategies.dictionaries(texts, texts | strategies.none(), max_size=3), max_size=3).map(tuple)


@given(objects, objects, texts)
def test_a_create_request_comes_back_as_it_was(maps: tuple, secrets: tuple, url: str) -> None:
    request = wire.CreateRequest(POD, maps, secrets, (), url)
    assert wire.decode_create_request(wire.encode_create_request(request)) == request


@given(objects, texts)
def test_a_plugin_create_comes_back_as_it_was_alone_or_in_a_list(maps: tuple, name: str) -> None:
    request = wire.PluginCreate(POD, (wire.ContainerVolumes(name, maps),), {"a": 1}, "script")
    data = wire.encode_plugin_create(request)
    assert wire.decode_plugin_create(data) == wire.decode_plugin_create(b"[" + data + b"]") == request


@given(texts, texts)
def test_a_creator_fits_a_header_and_comes_back(issuer: str, subject: str) -> None:
    creator = wire.Creator(issuer, subject)
    text = wire.encode_creator(creator)
    assert text.isascii()
    assert text.isprintable()
    assert wire.decode_creator(text) == creator


def test_a_status_of_upstream_has_null_for_no_init_containers() -> None:
    data = b'[{"name":"p","UID":"u","namespace":"n","JID":"29","containers":[{"name":"c"}],"initContainers":null}]'
    (status,) = wire.decode_statuses(data)
    assert (status.job_id, status.containers, status.init_containers) == ("29", ({"name": "c"},), ())
    assert wire.decode_statuses(wire.encode_statuses([status])) == (status,)


def test_zero_and_the_year_one_mean_that_a_log_option_is_not_set() -> None:
    data = (
        b'{"Namespace":"n","PodUID":"u","PodName":"p","ContainerName":"c","Opts":{"Tail":0,"Bytes":0,"Follow":true,'
        b'"SinceSeconds":0,"SinceTime":"0001-01-01T00:00:00Z"}}'
    )
    request = wire.decode_log_request(data)
    assert request.options == wire.LogOptions(follow=True)
    assert wire.decode_log_request(wire.encode_log_request(request)) == request


@pytest.mark.parametrize("data", [b"ok", b"[]", b"", b"\xff"])
def test_free_text_of_an_old_plugin_is_a_ping_without_figures(data: bytes) -> None:
    assert wire.decode_ping(data) == wire.Ping()


def test_no_taints_and_an_empty_list_of_taints_differ() -> None:
    assert wire.decode_ping(b'{"status":"ok"}').taints is None
    assert wire.decode_ping(b'{"status":"ok","taints":[]}').taints == ()


DECODERS = (
    wire.decode_create_request,
    wire.decode_plugin_create,
    wire.decode_create_answer,
    wire.decode_pod,
    wire.decode_pods,
    wire.decode_statuses,
    wire.decode_log_request,
)
json_values = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers(-9, 9) | strategies.sampled_from(["", "pod", "x"]),
    lambda inner: (
        strategies.lists(inner, max_size=2)
        | strategies.dictionaries(
            strategies.sampled_from(["pod", "container", "PodUID", "Opts", "Tail", "warnings", "configmaps"]), inner
        )
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("decode", DECODERS)
@given(data=strategies.binary(max_size=60) | json_values.map(wire.encode_json))
def test_any_body_is_read_or_malformed(decode: object, data: bytes) -> None:
    try:
        decode(data)  # type: ignore[operator]
    except Malformed as error:
        assert str(error)


@pytest.mark.parametrize(
    ("body", "uids"),
    [
        (b'[{"metadata":{"uid":"a","name":"p"},"spec":{"containers":[]}},{"metadata":{"uid":"b"}}]', ("a", "b")),
        (b'[{"metadata":null},{},{"metadata":{"uid":null}}]', ()),
        (b"[]", ()),
        (b"null", ()),
        (b" ", ()),
    ],
)
def test_the_pods_of_a_status_request_are_known_by_their_uids(body: bytes, uids: tuple[str, ...]) -> None:
    assert wire.decode_asked_uids(body) == uids


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'[{"metadata":[]}]', b'[{"metadata":{"uid":1}}]', b"[", b"\xff"])
def test_a_status_request_that_is_no_list_of_pods_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="not a list of pods"):
        wire.decode_asked_uids(body)
