"""The virtual kubelet at a site of upstream's software, which it must serve unchanged."""

import asyncio

import pytest

from tests.unit.virtual_kubelet.builders import UID, another_uid, ended, pod
from tests.unit.virtual_kubelet.builders import running as runs
from tests.unit.virtual_kubelet.conftest import Running
from tests.unit.virtual_kubelet.upstream import upstream_site


@pytest.fixture
async def setup(settings, tmp_path):
    """A running controller, whose site is upstream's."""
    async with upstream_site(tmp_path / "s") as (upstream, site):
        setup = Running(settings)
        setup.site = site
        setup.upstream = upstream
        await setup.start()
        yield setup
        await setup.stop()


async def until(setup, holds):
    """Time passes, in the clock and on the socket, until it holds."""
    for _ in range(200):
        if holds():
            return
        await setup.clock.advance(1)
        await asyncio.sleep(0.005)
    pytest.fail("it never came true")


async def minutes(setup, count):
    for _ in range(12 * count):
        await setup.clock.advance(5)
        await asyncio.sleep(0.005)


def phase(setup, uid=UID):
    return setup.cluster.pods[uid]["status"]["phase"]


async def submitted(setup, *uids):
    for number, uid in enumerate(uids or (UID,)):
        setup.cluster.apply(pod(uid=uid, name=f"p{number}"))
    await until(setup, lambda: all("annotations" in item["metadata"] for item in setup.cluster.pods.values()))


async def test_a_pod_runs_and_ends(setup):
    await submitted(setup)
    setup.upstream.states[UID] = [runs()]
    await until(setup, lambda: phase(setup) == "Running")
    setup.upstream.states[UID] = [ended()]
    await until(setup, lambda: phase(setup) == "Succeeded")
    assert setup.cluster.writes == ["status Pending", "status Running", "status Succeeded"]


async def test_a_deleted_pod_that_the_plugin_has_forgotten_goes_and_never_as_a_success(setup):
    await submitted(setup)
    setup.upstream.states[UID] = [runs()]
    await until(setup, lambda: phase(setup) == "Running")
    setup.cluster.delete(UID)
    await until(setup, lambda: UID not in setup.cluster.pods)
    assert setup.upstream.deleted == [UID]
    assert setup.cluster.writes[-2:] == ["status Failed", "remove"]


async def test_an_empty_list_of_containers_is_no_news_and_no_success(setup):
    await submitted(setup)
    setup.upstream.states[UID] = [runs()]
    await until(setup, lambda: phase(setup) == "Running")
    setup.upstream.states[UID] = []
    await minutes(setup, 5)
    assert phase(setup) == "Running"


async def test_a_plugin_that_forgot_everything_changes_no_state(setup):
    await submitted(setup)
    setup.upstream.states[UID] = [runs()]
    await until(setup, lambda: phase(setup) == "Running")
    setup.upstream.states.clear()
    setup.upstream._cache.clear()
    await minutes(setup, 5)
    assert phase(setup) == "Running"


async def test_states_of_other_pods_in_an_answer_are_nobodys(setup):
    other = another_uid()
    await submitted(setup, UID, other)
    setup.upstream.answers_for_others = True
    setup.upstream.states |= {UID: [runs()], other: [ended(code=3)]}
    await until(setup, lambda: phase(setup, other) == "Failed")
    await minutes(setup, 1)
    assert phase(setup) == "Running"


async def test_one_job_that_the_plugin_cannot_find_keeps_no_other_pod_from_its_end(setup):
    uids = [another_uid() for _ in range(7)]
    await submitted(setup, *uids)
    setup.upstream.unfindable = {uids[3]}
    setup.upstream.states |= {uid: [ended()] for uid in uids}
    await until(setup, lambda: sum(phase(setup, uid) == "Succeeded" for uid in uids) == 6)
    assert phase(setup, uids[3]) == "Pending"


async def test_the_plugins_words_reach_the_pod_without_their_wrapping(setup):
    setup.upstream.fails["/create"] = "sbatch: error: <Invalid> account & partition"
    setup.cluster.apply(pod())
    await until(setup, lambda: phase(setup) == "Failed")
    assert setup.status(UID)["message"] == "sbatch: error: <Invalid> account & partition"


async def test_a_plugin_out_of_reach_fails_no_pod(setup):
    setup.upstream.is_plugin_down = True
    setup.cluster.apply(pod())
    await minutes(setup, 10)
    assert phase(setup) == "Pending"
    assert setup.cluster.reasons() == ["CreateDelayed"]
    setup.upstream.is_plugin_down = False
    await until(setup, lambda: setup.upstream.created != [])


async def test_after_a_restart_a_pod_with_an_empty_report_is_created_and_one_that_is_known_adopted(setup):
    known, unknown = another_uid(), another_uid()
    await setup.stop()
    for number, uid in enumerate((known, unknown)):
        setup.cluster.apply(pod(uid=uid, name=f"p{number}"))
    setup.upstream.states |= {known: [runs()], unknown: []}
    await setup.start()
    await until(setup, lambda: setup.upstream.created != [] and phase(setup, known) == "Running")
    assert [item["metadata"]["uid"] for item in setup.upstream.created] == [unknown]


async def test_a_ping_of_free_text_or_the_word_503_is_told_apart(setup):
    answer = await setup.site.ping()
    assert answer.ping.resources is None
    assert "sinfo says" in answer.text


async def test_the_stream_is_asked_for_seldom(setup):
    await submitted(setup)
    await minutes(setup, 4)
    assert setup.upstream.paths.count("/watch") == 1
    assert setup.upstream.paths.count("/status") > 40
