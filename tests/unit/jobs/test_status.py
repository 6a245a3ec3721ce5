import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.jobs.status import MAX_STATUS_BYTES, Ended, Kind, Phase, parse_status
from dte.runtime.errors import BadOutput

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENDED = {
    "kind": "main",
    "state": "terminated",
    "exit_code": 3,
    "reason": "Error",
    "finished_at": "2026-01-01T12:00:00Z",
}


def raw_status(**containers: Any) -> dict[str, Any]:
    return {"schema": 1, "job_id": "7", "host": "n1", "started_at": "2026-01-01T12:00:00.25Z", "containers": containers}


def parsed(raw: dict[str, Any]) -> Any:
    return parse_status(json.dumps(raw).encode())


def test_a_terminated_container_has_its_end() -> None:
    state = parsed(raw_status(c=ENDED)).containers["c"]
    assert (state.kind, state.phase) == (Kind.MAIN, Phase.TERMINATED)
    assert state.ended == Ended(3, reason="Error", finished_at=NOON)


def test_times_keep_their_fraction_and_become_utc() -> None:
    raw = raw_status(c={"kind": "main", "state": "running", "started_at": "2026-01-01T13:00:00.5+01:00"})
    assert parsed(raw).containers["c"].started_at == NOON.replace(microsecond=500000)


def test_a_restarted_container_has_the_end_of_its_last_run() -> None:
    last = {"exit_code": 137, "signal": 9, "reason": "Error"}
    state = parsed(raw_status(c={"kind": "main", "state": "waiting", "restart_count": 2, "last": last})).containers["c"]
    assert (state.restart_count, state.last) == (2, Ended(137, reason="Error", signal=9))


@pytest.mark.parametrize(
    "container",
    [
        {"kind": "main", "state": "dead"},
        {"kind": "sidecar", "state": "waiting"},
        {"kind": "main", "state": "terminated"},
        {"kind": "main", "state": "running", "exit_code": 0},
        {**ENDED, "exit_code": 256},
        {**ENDED, "exit_code": "3"},
        {**ENDED, "exit_code": True},
        {**ENDED, "signal": 0},
        {**ENDED, "finished_at": "yesterday"},
        {**ENDED, "finished_at": "2026-01-01T12:00:00"},
        {**ENDED, "restart_count": -1},
        {**ENDED, "reason": None},
    ],
)
def test_an_odd_container_is_bad_output(container: dict[str, Any]) -> None:
    with pytest.raises(BadOutput):
        parsed(raw_status(c=container))


@pytest.mark.parametrize("name", ["", "../c", "a/b", "C"])
def test_an_odd_container_name_is_bad_output(name: str) -> None:
    with pytest.raises(BadOutput):
        parsed(raw_status(**{name: ENDED}))


def test_a_status_of_another_schema_is_bad_output() -> None:
    with pytest.raises(BadOutput, match="schema 2"):
        parsed({**raw_status(), "schema": 2})


def test_a_huge_status_is_not_even_parsed() -> None:
    with pytest.raises(BadOutput, match="more than"):
        parse_status(b" " * (MAX_STATUS_BYTES + 1))


def test_long_texts_are_cut() -> None:
    state = parsed(raw_status(c={**ENDED, "message": "x" * 100_000})).containers["c"]
    assert state.ended is not None
    assert len(state.ended.message) == 4096


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_status_or_bad_output(data: bytes) -> None:
    with pytest.raises(BadOutput):
        parse_status(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
fields = ["kind", "state", "reason", "exit_code", "signal", "started_at", "finished_at", "restart_count", "last"]


@given(key=st.sampled_from(fields), value=json_values)
def test_any_field_of_any_value_is_read_or_bad_output(key: str, value: Any) -> None:
    try:
        status = parsed(raw_status(c={**ENDED, key: value}))
    except BadOutput:
        return
    assert status.containers["c"].phase is Phase.TERMINATED
