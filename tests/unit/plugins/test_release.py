"""Decisions of the module python_release."""

from ansible_collections.intertwin.dte.plugins.module_utils._release import (
    Found,
    after,
    plan,
    release_name,
    state,
)
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
RELEASES = st.lists(
    st.builds(Found, NAMES, st.booleans(), st.floats(0, 1e9)), unique_by=lambda item: item.name, max_size=5
)


def test_the_same_requirements_and_interpreter_are_the_same_release() -> None:
    assert release_name("0.1.0", b"a==1", "cpython-3.13") == release_name("0.1.0", b"a==1", "cpython-3.13")


def test_other_requirements_or_another_interpreter_are_another_release() -> None:
    names = {
        release_name("0.1.0", b"a==1", "cpython-3.13"),
        release_name("0.1.0", b"a==2", "cpython-3.13"),
        release_name("0.1.0", b"a==1", "cpython-3.11"),
        release_name("0.1.0", b"a==1cpython-", "3.13"),
    }
    assert len(names) == 4


def test_a_name_is_the_version_and_twelve_digits_of_the_hash() -> None:
    version, digest = release_name("0.1.0", b"", "x").split("-")
    assert (version, len(digest)) == ("0.1.0", 12)


def test_an_empty_host_gets_the_release_and_the_link() -> None:
    steps = plan([], None, "new", keep=2)
    assert (steps.install, steps.rebuild, steps.switch_to, steps.remove) == ("new", False, "new", [])


def test_nothing_is_done_when_the_release_is_current() -> None:
    assert not plan([Found("new", True, 2.0), Found("old", True, 1.0)], "new", "new", keep=2).changed


def test_an_interrupted_install_is_built_again() -> None:
    steps = plan([Found("new", False, 2.0)], None, "new", keep=2)
    assert (steps.install, steps.rebuild) == ("new", True)


def test_a_release_that_is_there_is_switched_to_without_an_install() -> None:
    steps = plan([Found("new", True, 1.0), Found("old", True, 2.0)], "new", "old", keep=2)
    assert (steps.install, steps.switch_to, steps.remove) == (None, "old", [])


def test_the_release_before_outlives_newer_ones_that_never_ran() -> None:
    found = [Found("running", True, 1.0), Found("never-used", True, 9.0)]
    assert plan(found, "running", "new", keep=2).remove == ["never-used"]


def test_keeping_one_removes_all_others() -> None:
    found = [Found("b", True, 2.0), Found("a", True, 1.0)]
    assert plan(found, "b", "new", keep=1).remove == ["a", "b"]


@given(RELEASES, st.none() | NAMES, NAMES, st.integers(-1, 6))
def test_the_wanted_release_is_current_and_no_more_than_allowed_stay(found, current, wanted, keep) -> None:
    result = after(found, current, plan(found, current, wanted, keep))
    assert result["current"] == wanted
    assert wanted in result["releases"]
    assert len(result["releases"]) <= max(keep, 1)


@given(RELEASES, NAMES, st.integers(1, 6))
def test_a_second_run_does_nothing(found, wanted, keep) -> None:
    result = after(found, None, plan(found, None, wanted, keep))
    then = [Found(name, True, 1.0) for name in result["releases"]]
    assert not plan(then, result["current"], wanted, keep).changed
    assert state(then, wanted) == result
