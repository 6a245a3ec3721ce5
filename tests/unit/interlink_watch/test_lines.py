"""Lines of the stream: what is sent is what is read; what is not ours is refused or passed over."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink import wire
from dte.interlink.watch.lines import GoneLine, HeartbeatLine, PodLine, SyncedLine, decode_line, encode_line
from dte.runtime.errors import Malformed

texts = st.text(max_size=20)
containers = st.lists(st.fixed_dictionaries({"name": texts, "ready": st.booleans()}), max_size=2).map(tuple)
statuses = st.builds(wire.PodStatus, texts, texts, texts, texts, containers, containers)
revisions = st.integers(0, 2**53)
pod_lines = st.builds(
    PodLine, statuses, revisions, st.booleans(), texts, st.none() | st.builds(wire.Creator, texts, texts)
)
lines = (
    pod_lines
    | st.builds(GoneLine, texts, revisions)
    | st.builds(SyncedLine, texts, st.booleans())
    | st.just(HeartbeatLine())
)


@given(lines)
def test_a_line_comes_back_as_it_was_sent(line: PodLine | GoneLine | SyncedLine | HeartbeatLine) -> None:
    sent = encode_line(line)
    assert sent.endswith(b"\n")
    assert sent.count(b"\n") == 1
    assert decode_line(sent) == line


@given(st.binary(max_size=40) | st.recursive(st.none() | st.integers() | texts, st.lists).map(msgspec.json.encode))
def test_what_is_no_line_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_line(data)


@pytest.mark.parametrize(
    "text",
    [
        '{"UID":"u","gone":true}',
        '{"UID":"u","rev":-1}',
        '{"UID":"u","rev":true}',
        '{"UID":"u","rev":1,"owner":1}',
        '{"UID":"u","rev":1,"creator":"me"}',
        '{"UID":"u","rev":1,"containers":{}}',
        '{"synced":true,"instance":1}',
    ],
)
def test_a_wrong_shape_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        decode_line(text.encode())


def test_a_kind_of_a_later_release_is_passed_over() -> None:
    assert decode_line(b'{"weather":"fine"}') is None
