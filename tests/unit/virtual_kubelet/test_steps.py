"""What is done next for a pod."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.virtual_kubelet.steps import Facts, Remote, Step, next_step

NEW = Facts(
    is_gone=False,
    is_deleting=False,
    is_terminal=False,
    has_job=False,
    may_have_job=False,
    predates_us=False,
    is_refused=False,
    is_stop_accepted=False,
    is_removal_sent=False,
    remote=Remote.UNASKED,
    is_status_due=False,
)
RUNNING = replace(NEW, has_job=True, may_have_job=True, remote=Remote.ALIVE)
DELETED = replace(RUNNING, is_deleting=True)
STOPPED = replace(DELETED, is_stop_accepted=True)


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        pytest.param(NEW, Step.CREATE, id="a new pod is created"),
        pytest.param(replace(RUNNING, is_missed=True), Step.CONFIRM, id="one that a list lacks is looked for"),
        pytest.param(replace(RUNNING, is_missed=True, is_gone=True), Step.STOP, id="and stopped once it is gone"),
        pytest.param(
            replace(NEW, may_have_job=True, predates_us=True), Step.LOOK_UP, id="one from before our start is looked up"
        ),
        pytest.param(
            replace(NEW, may_have_job=True, predates_us=True, remote=Remote.ABSENT),
            Step.CREATE,
            id="and created when unknown",
        ),
        pytest.param(replace(NEW, may_have_job=True), Step.CREATE, id="a create whose answer was lost is repeated"),
        pytest.param(RUNNING, Step.WAIT, id="a job goes its way"),
        pytest.param(replace(RUNNING, is_status_due=True), Step.REPORT, id="news are written"),
        pytest.param(replace(NEW, is_refused=True, is_status_due=True), Step.REPORT, id="a refusal is written"),
        pytest.param(replace(RUNNING, is_terminal=True), Step.WAIT, id="an ended pod waits for its deletion"),
        pytest.param(DELETED, Step.STOP, id="a deleted pod is stopped"),
        pytest.param(STOPPED, Step.AWAIT_END, id="and awaited while it lives"),
        pytest.param(replace(STOPPED, remote=Remote.ENDED, is_status_due=True), Step.REPORT, id="its end is written"),
        pytest.param(replace(STOPPED, remote=Remote.ABSENT), Step.REPORT_END, id="or declared when nobody knows it"),
        pytest.param(replace(STOPPED, remote=Remote.ENDED, is_terminal=True), Step.REMOVE, id="then the object goes"),
        pytest.param(replace(STOPPED, is_terminal=True, is_removal_sent=True), Step.WAIT, id="finalizers may hold it"),
        pytest.param(
            replace(NEW, is_deleting=True), Step.REPORT_END, id="deleted before any create: no call to the site"
        ),
        pytest.param(replace(RUNNING, is_gone=True), Step.STOP, id="removed by force: the job is stopped all the same"),
        pytest.param(replace(STOPPED, is_gone=True), Step.FORGET, id="gone and stopped"),
        pytest.param(replace(NEW, is_gone=True), Step.FORGET, id="gone before any create"),
    ],
)
def test_the_next_step(facts, step):
    assert next_step(facts) is step


facts = st.builds(
    Facts,
    remote=st.sampled_from(Remote),
    **{name: st.booleans() for name in Facts.__dataclass_fields__ if name != "remote"},
)


@given(facts)
def test_an_object_is_only_removed_when_its_phase_is_final_and_its_job_stopped(some):
    if next_step(some) is Step.REMOVE:
        assert some.is_deleting
        assert some.is_terminal
        assert some.is_stop_accepted or not some.may_have_job


@given(facts)
def test_a_job_is_never_created_for_a_pod_that_is_ending_or_has_one(some):
    if next_step(some) is Step.CREATE:
        ending = some.is_deleting or some.is_gone or some.is_terminal or some.is_refused
        assert not ending
        assert not some.has_job
        assert not some.predates_us or some.remote is not Remote.UNASKED


@given(facts)
def test_a_pod_is_only_forgotten_when_no_job_can_be_left(some):
    if next_step(some) is Step.FORGET:
        assert some.is_stop_accepted or not some.may_have_job
