import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.sidecars.slurm.life import (
    ABSORBED,
    ON_DELETION,
    OVER,
    STATE_AFTER,
    Event,
    IllegalMove,
    State,
    moved,
    require_dropped,
)


def test_no_event_both_moves_and_is_absorbed():
    assert ABSORBED.isdisjoint(STATE_AFTER)


def test_every_state_is_reached_and_every_record_can_go():
    assert set(STATE_AFTER.values()) == {*State, None}
    assert {state for (state, _), after in STATE_AFTER.items() if after is None} == OVER | {State.INTENT}


@pytest.mark.parametrize("state", State)
def test_a_deletion_is_possible_in_every_state(state):
    assert (state, Event.DELETE) in ABSORBED or moved(state, Event.DELETE) in ON_DELETION


@given(st.lists(st.sampled_from(list(Event)), max_size=20))
def test_what_is_over_stays_over_and_what_is_deleted_stays_deleted_as_long_as_it_is_on_record(events):
    state = None
    for event in events:
        before = state
        state = STATE_AFTER.get((state, event), state)
        if before is not None and state is not None:
            assert state in OVER or before not in OVER
            assert state in ON_DELETION or before not in ON_DELETION


@pytest.mark.parametrize("event", [event for event in Event if event is not Event.INTEND])
def test_nothing_happens_to_a_pod_without_a_record(event):
    with pytest.raises(IllegalMove, match="without a record"):
        moved(None, event)


@pytest.mark.parametrize("state", [State.SUBMITTED, State.DELETING])
@pytest.mark.parametrize("event", [Event.EXPIRE, Event.REFUSE])
def test_a_job_that_may_run_is_not_forgotten(state, event):
    with pytest.raises(IllegalMove):
        require_dropped(state, event)
