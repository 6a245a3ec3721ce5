"""What people, Nagios and other releases read."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.doctor.report import decode_results, encode_results, lines, status_of
from dte.runtime.doctor.findings import Finding, Level, Result, critical, ok, warning
from dte.runtime.errors import BadOutput

WELL = Result("interlink-api", "ready", ok("it serves"))
WRONG = Result("interlink-slurm@twin01", "munge", critical("munge: no socket", "systemctl start munge"))
LATE = Result("interlink-api", "certificate", warning("expires in 5 days", "renew it"))

texts = st.text(st.characters(codec="utf-8"), max_size=30)
findings = st.builds(Finding, st.sampled_from(Level), texts, texts)
results = st.lists(st.builds(Result, texts, texts, findings), max_size=5)


def test_a_problem_is_a_line_with_host_check_problem_and_what_to_do() -> None:
    said = lines("edge", [WELL, LATE, WRONG], is_verbose=False)
    assert said == [
        "DTE CRITICAL - edge: 1 critical, 1 warning, 1 ok",
        "edge: interlink-slurm@twin01 munge: critical: munge: no socket: systemctl start munge",
        "edge: interlink-api certificate: warning: expires in 5 days: renew it",
    ]


def test_what_is_well_is_told_when_asked_for() -> None:
    assert lines("edge", [WELL], is_verbose=True)[1] == "edge: interlink-api ready: it serves"
    assert lines("edge", [WELL], is_verbose=False) == ["DTE OK - edge: 1 ok"]


def test_a_host_without_daemons_is_unknown_and_not_well() -> None:
    assert status_of([]) is Level.UNKNOWN


@given(results)
def test_words_of_other_programs_cannot_make_a_line_of_their_own(found: list[Result]) -> None:
    said = lines("h", found, is_verbose=True)
    assert len(said) == 1 + len(found)
    assert all(line.isprintable() for line in said)


@given(results)
def test_results_survive_the_way_between_two_releases(found: list[Result]) -> None:
    assert decode_results(encode_results("h", found)) == found


@pytest.mark.parametrize("body", [None, [], {}, {"results": [{}]}, {"results": [{"level": string.digits}]}])
def test_what_no_doctor_printed_is_bad_output(body: object) -> None:
    with pytest.raises(BadOutput):
        decode_results(body)
