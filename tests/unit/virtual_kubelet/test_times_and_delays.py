"""Times, delays and amounts."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.virtual_kubelet.amounts import is_capacity, same_amounts
from dte.interlink.virtual_kubelet.times import SystemClock, checked_time, kube_micro_time, kube_time
from dte.runtime.backoff import MAX_DELAY_S, MAX_RETRY_AFTER_S, Backoff


def test_times_are_written_as_kubernetes_does():
    assert kube_time(1767261600.9) == "2026-01-01T10:00:00Z"
    assert kube_micro_time(1767261600.25) == "2026-01-01T10:00:00.250000Z"


@pytest.mark.parametrize(
    ("value", "checked"),
    [
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"),
        ("2026-01-01T11:00:00.5+01:00", "2026-01-01T10:00:00Z"),
        ("2026-01-01T10:00:00", None),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        (None, None),
        (5, None),
    ],
)
def test_a_sites_time_is_used_only_when_it_is_one(value, checked):
    assert checked_time(value) == checked


async def test_the_real_clock_wakes_on_the_event_or_the_time():
    event = asyncio.Event()
    await SystemClock().wait(event, 0.001)
    event.set()
    await SystemClock().wait(event, None)


@given(st.integers(1, 200), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1e6)))
def test_a_delay_is_bounded_and_never_shorter_than_the_other_side_asks(failures, chance, retry_after):
    delay = Backoff().delay_s(failures, chance, retry_after)
    assert 0.5 <= delay <= max(MAX_DELAY_S, MAX_RETRY_AFTER_S)
    assert delay >= min(retry_after or 0, MAX_RETRY_AFTER_S)


def test_delays_double():
    assert [Backoff().delay_s(failures, 0.0) for failures in (1, 2, 3, 7, 8)] == [1, 2, 4, 60, 60]


def test_amounts_are_compared_by_value():
    assert same_amounts({"memory": "3000G", "cpu": "1000m"}, {"memory": "3T", "cpu": "1"})
    assert not same_amounts({"cpu": "1"}, {"cpu": "2"})
    assert not same_amounts({"cpu": "1"}, {})
    assert not same_amounts({"cpu": None}, {"cpu": "1"})


@pytest.mark.parametrize(
    ("text", "verdict"), [("8", True), ("1.5Gi", True), ("-1", False), ("lots", False), (8, False)]
)
def test_only_quantities_are_capacity(text, verdict):
    assert is_capacity(text) is verdict
