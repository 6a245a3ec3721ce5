"""The summary at the end of a run."""

from typing import Any

from dte.site.changes import gather, summary
from dte.site.events import HostResult, Outcome


def changed(action: str, **answer: Any) -> HostResult:
    return HostResult("edge", "Do it", action, Outcome.CHANGED, {"changed": True, **answer})


def text(*events: HostResult) -> list[str]:
    return summary(gather(events))


def test_a_host_that_was_left_alone_is_named() -> None:
    assert text(HostResult("edge", "T", "a", Outcome.OK, {})) == ["edge: nothing changed"]


def test_only_the_changed_items_of_a_loop_count() -> None:
    items = [{"changed": True, "dest": "/etc/dte/a.yaml"}, {"changed": False, "dest": "/etc/dte/b.yaml"}]
    assert text(changed("ansible.builtin.template", results=items)) == ["edge:", "  files     /etc/dte/a.yaml"]


def test_a_release_shows_before_and_after() -> None:
    names = {"invocation": {"module_args": {"name": "interlink-api"}}}
    first = changed("intertwin.dte.python_release", release="0.1.0-b", previous=None, **names)
    then = changed("intertwin.dte.python_release", release="0.1.0-b", previous="0.1.0-a", **names)
    gone = changed("intertwin.dte.python_release", release=None, previous="0.1.0-a", **names)
    assert text(gone)[1] == "  releases  interlink-api removed"
    assert text(first)[1] == "  releases  interlink-api 0.1.0-b"
    assert text(then)[1] == "  releases  interlink-api 0.1.0-a -> 0.1.0-b"


def test_a_unit_shows_its_new_state() -> None:
    asked = {"invocation": {"module_args": {"state": "restarted"}}}
    event = changed("ansible.builtin.systemd_service", name="interlink-api.service", state="started", **asked)
    assert text(event)[1] == "  units     interlink-api.service restarted"


def test_what_is_no_file_is_named_by_its_task() -> None:
    assert text(changed("ansible.builtin.user"))[1] == "  other     Do it"


def test_a_file_that_changed_twice_is_named_once() -> None:
    event = changed("ansible.builtin.file", path="/run/dte")
    assert text(event, event)[1] == "  files     /run/dte"


def test_each_of_several_files_is_named() -> None:
    event = changed("intertwin.dte.managed_files", changed_paths=["/etc/dte", "/etc/dte/a.yaml"])
    assert text(event)[1] == "  files     /etc/dte, /etc/dte/a.yaml"
