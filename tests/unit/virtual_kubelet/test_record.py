"""What a record makes of news in any order."""

from dte.interlink.virtual_kubelet.record import PodRecord
from tests.unit.virtual_kubelet.builders import ended, moment, pod, report


def test_an_end_that_the_watch_shows_before_its_write_is_answered_leaves_nothing_to_write():
    record = PodRecord(pod(), predates_us=False)
    record.submitted("29", moment())
    record.heard(report(ended(code=3)), moment())
    sent = record.wanted
    as_the_server_gives_it_back = {**sent, "qosClass": "BestEffort"}
    record.saw(pod(status=as_the_server_gives_it_back))
    record.written(1.0, sent)
    assert record.is_terminal
    assert record.status_due_at() is None
