from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.sidecars.slurm.life import ABSORBED, STATE_AFTER, Event, IllegalMove, State
from dte.interlink.sidecars.slurm.record import decode_record, encode_record
from dte.runtime.errors import BadOutput
from tests.unit.interlink_slurm.pods import RECORD

FINAL = ({"name": "main", "state": {"terminated": {"exitCode": 3}}},)


CHANGES = {
    Event.SUBMIT: lambda record: record.submitted("29"),
    Event.END: lambda record: record.ended(7.0, final=FINAL, init_final=()),
    Event.DELETE: lambda record: record.deleted(8.0),
}
"""The events that change a record. The others make it or drop it."""


def apply(record, event):
    return CHANGES[event](record)


@pytest.mark.parametrize("record", [RECORD, apply(apply(RECORD, Event.SUBMIT), Event.END)], ids=["intent", "terminal"])
def test_a_record_survives_its_file(record):
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", CHANGES)
def test_a_record_moves_as_the_table_says_stays_as_it_is_or_refuses_what_cannot_be(state, event):
    record = replace(RECORD, state=state)

    if (state, event) in ABSORBED:
        assert apply(record, event) == record
    elif (state, event) in STATE_AFTER:
        assert apply(record, event).state is STATE_AFTER[state, event]
    else:
        with pytest.raises(IllegalMove, match=f"event {event.value} in state {state.value}"):
            apply(record, event)


def test_an_event_that_drops_a_record_cannot_change_it():
    assert [event for (_, event), state in STATE_AFTER.items() if state is None and event in CHANGES] == []


def test_what_is_submitted_again_or_deleted_again_is_as_after_the_first_time():
    once = apply(RECORD, Event.SUBMIT)
    assert apply(once, Event.SUBMIT) == once
    deleted = apply(once, Event.DELETE)
    assert deleted.deleted(9.0) == deleted


def test_what_is_over_keeps_its_job_and_its_end():
    over = apply(apply(RECORD, Event.SUBMIT), Event.END)
    assert over.submitted("30") == over
    assert over.ended(9.0, final=(), init_final=()) == over


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
