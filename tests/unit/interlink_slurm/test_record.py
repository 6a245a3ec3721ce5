from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.sidecars.slurm.record import (
    STATE_AFTER,
    Event,
    State,
    decode_record,
    encode_record,
)
from dte.runtime.errors import BadOutput
from tests.unit.interlink_slurm.pods import RECORD

FINAL = ({"name": "main", "state": {"terminated": {"exitCode": 3}}},)


def apply(record, event):
    match event:
        case Event.SUBMIT:
            return record.submitted("29")
        case Event.END:
            return record.ended(7.0, final=FINAL, init_final=())
        case Event.DELETE:
            return record.deleted(8.0)


@pytest.mark.parametrize("record", [RECORD, apply(apply(RECORD, Event.SUBMIT), Event.END)], ids=["intent", "terminal"])
def test_a_record_survives_its_file(record):
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_a_move_follows_the_table_or_changes_nothing(state, event):
    record = replace(RECORD, state=state)

    after = apply(record, event)

    assert after.state is STATE_AFTER.get((state, event), state)
    if (state, event) not in STATE_AFTER:
        assert after == record


@given(st.lists(st.sampled_from(list(Event)), max_size=12))
def test_what_is_over_stays_over_and_what_is_deleted_stays_deleted(events):
    record, was_over, was_deleted = RECORD, False, False
    for event in events:
        record = apply(record, event)
        assert record.is_over or not was_over
        assert record.is_deleted or not was_deleted
        was_over, was_deleted = record.is_over, record.is_deleted
    if was_over and record.state is State.TERMINAL:
        assert record.final == FINAL


def test_repeating_an_event_is_harmless():
    for event in Event:
        once = apply(apply(RECORD, Event.SUBMIT), event)
        assert apply(once, event) == once


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="not an object"),
        pytest.param(b"{}", id="no schema"),
        pytest.param(encode_record(RECORD).replace(b'"schema": 1', b'"schema": 2'), id="a newer schema"),
        pytest.param(encode_record(RECORD).replace(b'"intent"', b'"asleep"'), id="an unknown state"),
        pytest.param(encode_record(RECORD)[:-20], id="cut off"),
        pytest.param(encode_record(RECORD).replace(b'"main"', b"5"), id="a name that is a number"),
    ],
)
def test_what_is_no_record_is_bad_output(data):
    with pytest.raises(BadOutput):
        decode_record(data)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data):
    with pytest.raises(BadOutput):
        decode_record(data)
