"""The query of a log request."""

import pytest

from dte.interlink.virtual_kubelet.log_options import log_query
from dte.interlink.wire import LogOptions
from dte.runtime.errors import Malformed

NOW = 1767261600.0


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({}, LogOptions()),
        ({"tailLines": "10", "timestamps": "true"}, LogOptions(tail=10, timestamps=True)),
        ({"follow": "true", "previous": "1"}, LogOptions(follow=True, previous=True)),
        ({"sinceSeconds": "60"}, LogOptions(since_seconds=60)),
        ({"sinceTime": "2026-01-01T00:00:00Z"}, LogOptions(since_time="2026-01-01T00:00:00Z")),
        ({"limitBytes": "100"}, LogOptions(limit_bytes=100)),
    ],
)
def test_options_are_read(query, options):
    assert log_query(query, NOW).options == options


def test_a_tail_with_a_limit_asks_for_the_tail_and_cuts_here():
    query = log_query({"tailLines": "5", "limitBytes": "100"}, NOW)
    assert query.options == LogOptions(tail=5)
    assert query.cut_at_bytes == 100


def test_no_lines_are_no_lines():
    assert log_query({"tailLines": "0"}, NOW).is_empty
    assert log_query({"limitBytes": "0", "follow": "true"}, NOW).is_empty


def test_no_old_lines_but_new_ones_means_from_now_on():
    query = log_query({"tailLines": "0", "follow": "true"}, NOW)
    assert query.options == LogOptions(follow=True, since_time="2026-01-01T10:00:00Z")


@pytest.mark.parametrize(
    "query",
    [
        {"tailLines": "-1"},
        {"tailLines": "ten"},
        {"limitBytes": "9" * 30},
        {"follow": "maybe"},
        {"sinceSeconds": "1", "sinceTime": "2026-01-01T00:00:00Z"},
    ],
)
def test_nonsense_is_refused(query):
    with pytest.raises(Malformed):
        log_query(query, NOW)
