"""Events of ansible-runner in, lines for people out."""

from typing import Any

import pytest

from dte.site.events import Event, HostResult, Outcome, PlayStarted, TaskStarted, messages, parse_event
from dte.site.progress import MAX_MESSAGE_LINES, Progress


def result(host: str, outcome: Outcome, **answer: Any) -> HostResult:
    return HostResult(host, "Write it", "ansible.builtin.template", outcome, answer)


def lines_of(*events: Event) -> list[str]:
    progress = Progress()
    lines = [line for event in events for line in progress.feed(event)]
    return [*lines, *progress.finish()]


def test_a_task_is_one_line_with_every_host() -> None:
    task = TaskStarted("Write it", "interlink_slurm")
    play, *rows = lines_of(
        PlayStarted("Sidecars"), task, result("edge", Outcome.CHANGED), result("federation", Outcome.OK)
    )
    assert play == "Sidecars"
    assert [" ".join(row.split()) for row in rows] == ["interlink_slurm: Write it edge changed, federation ok"]


def test_a_task_that_was_skipped_everywhere_is_not_worth_a_line() -> None:
    assert lines_of(PlayStarted("P"), TaskStarted("T", ""), result("edge", Outcome.SKIPPED)) == []


def test_a_play_without_hosts_is_not_worth_a_line() -> None:
    assert lines_of(PlayStarted("empty"), PlayStarted("next")) == []


def test_a_failure_brings_the_modules_words() -> None:
    *_, words = lines_of(TaskStarted("T", "r"), result("edge", Outcome.FAILED, msg="edge: no such account"))
    assert words == "    edge: no such account"


def test_a_failure_without_words_says_so() -> None:
    *_, words = lines_of(TaskStarted("T", "r"), result("edge", Outcome.FAILED))
    assert words == "    edge: no reason given"


def test_a_long_failure_is_cut() -> None:
    lines = lines_of(TaskStarted("T", "r"), result("edge", Outcome.FAILED, msg="x\n" * 500))
    assert len([line for line in lines if "edge: x" in line]) == MAX_MESSAGE_LINES


def test_an_expected_failure_brings_no_words() -> None:
    expected = HostResult("edge", "T", "a", Outcome.FAILED, {"msg": "never mind"}, ignored=True)
    assert not any("never mind" in line for line in lines_of(TaskStarted("T", "r"), expected))


def test_the_running_task_is_known_until_the_next() -> None:
    progress = Progress()
    assert progress.current == ""
    progress.feed(TaskStarted("Install the release", "dte"))
    assert progress.current == "  dte: Install the release ..."


def raw(kind: str, **data: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": data}


@pytest.mark.parametrize(
    ("kind", "answer", "outcome"),
    [
        ("runner_on_ok", {"changed": False}, Outcome.OK),
        ("runner_on_ok", {"changed": True}, Outcome.CHANGED),
        ("runner_on_skipped", {"changed": True}, Outcome.SKIPPED),
        ("runner_on_failed", {"msg": "no", "changed": True}, Outcome.FAILED),
        ("runner_on_unreachable", {"msg": "no route"}, Outcome.UNREACHABLE),
    ],
)
def test_a_result_knows_its_outcome(kind: str, answer: dict[str, Any], outcome: Outcome) -> None:
    event = parse_event(raw(kind, host="edge", task="dte : T", task_action="a.b.c", res=answer))
    assert event == HostResult("edge", "T", "a.b.c", outcome, answer)


def test_a_censored_result_is_empty() -> None:
    event = parse_event(raw("runner_on_ok", host="edge", task="T", task_action="a", res="censored"))
    assert event == HostResult("edge", "T", "a", Outcome.OK, {})


def test_a_task_is_named_without_its_role() -> None:
    event = parse_event(raw("playbook_on_task_start", task="dte : Install", role="intertwin.dte.dte"))
    assert event == TaskStarted("Install", "dte")


@pytest.mark.parametrize("kind", ["verbose", "runner_item_on_ok", "playbook_on_stats", ""])
def test_events_that_nobody_needs_are_nothing(kind: str) -> None:
    assert parse_event(raw(kind)) is None


def test_a_loop_says_what_failed_only() -> None:
    items = [{"failed": False, "msg": "fine"}, {"failed": True, "msg": "disk full", "stderr": "write: ENOSPC"}]
    assert messages({"msg": "One or more items failed", "results": items}) == ["disk full", "write: ENOSPC"]


def test_a_daemons_problems_are_part_of_the_words() -> None:
    assert messages({"msg": "", "problems": ["x.service not ready: no poll"]}) == ["x.service not ready: no poll"]
