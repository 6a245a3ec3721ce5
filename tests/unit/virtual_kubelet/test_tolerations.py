"""What pods bear, and what is changed so that they outlast an outage of their virtual kubelet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.virtual_kubelet.tolerations import KEEP, OUTAGE_TAINTS, wanted_tolerations
from dte.runtime.errors import Refused, Unavailable
from tests.unit.virtual_kubelet.builders import OUTLASTING, UID, pod, report
from tests.unit.virtual_kubelet.builders import running as runs
from tests.unit.virtual_kubelet.fakes import settle

NODE = {"key": "virtual-node.interlink/no-schedule", "operator": "Exists"}
DEFAULTS = [{**item, "tolerationSeconds": 300} for item in OUTLASTING]


def with_tolerations(*items):
    return pod(spec={"tolerations": list(items)})


@pytest.mark.parametrize(
    ("present", "wish", "wanted"),
    [
        pytest.param([NODE, *DEFAULTS], None, [NODE, *OUTLASTING], id="the defaults become for ever"),
        pytest.param([NODE, *OUTLASTING], None, None, id="for ever is right"),
        pytest.param([NODE, *DEFAULTS], KEEP, None, id="keep"),
        pytest.param([NODE, *DEFAULTS], 300, None, id="long enough"),
        pytest.param([NODE, *DEFAULTS], 60, None, id="never shortened"),
        pytest.param([NODE, *OUTLASTING], 60, None, id="for ever is never shortened"),
        pytest.param(
            [NODE, *DEFAULTS],
            7200,
            [NODE, *({**item, "tolerationSeconds": 7200} for item in OUTLASTING)],
            id="so many seconds",
        ),
        pytest.param([NODE], None, [NODE, *OUTLASTING], id="missing ones are added"),
        pytest.param([], 5, [{**item, "tolerationSeconds": 5} for item in OUTLASTING], id="with the wished seconds"),
        pytest.param([{"operator": "Exists"}], None, None, id="one that bears everything"),
        pytest.param(
            [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20}],
            None,
            [{"operator": "Exists", "effect": "NoExecute"}],
            id="one that bears everything for a while",
        ),
        pytest.param(
            [{**OUTLASTING[0], "effect": "NoSchedule"}, OUTLASTING[1]],
            None,
            [{**OUTLASTING[0], "effect": "NoSchedule"}, OUTLASTING[1], OUTLASTING[0]],
            id="another effect does not count",
        ),
        pytest.param(
            [{"key": "site/x", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}, *OUTLASTING],
            None,
            None,
            id="other keys are the author's",
        ),
    ],
)
def test_tolerations(present, wish, wanted):
    assert wanted_tolerations(with_tolerations(*present), wish) == wanted


tolerations = st.fixed_dictionaries(
    {},
    optional={
        "key": st.sampled_from([*OUTAGE_TAINTS, "site/x"]),
        "operator": st.sampled_from(["Exists", "Equal"]),
        "effect": st.sampled_from(["NoExecute", "NoSchedule"]),
        "tolerationSeconds": st.integers(0, 1000),
    },
)


@given(st.lists(tolerations, max_size=5), st.none() | st.integers(0, 1000))
def test_what_is_wanted_is_right_and_takes_nothing_away(present, wish):
    wanted = wanted_tolerations(with_tolerations(*present), wish)
    if wanted is None:
        return
    assert wanted_tolerations(with_tolerations(*wanted), wish) is None
    before, after = (
        [{key: value for key, value in item.items() if key != "tolerationSeconds"} for item in items]
        for items in (present, wanted)
    )
    assert after[: len(before)] == before


async def test_a_pod_is_made_to_outlast_an_outage_once_its_job_is_safe(running):
    running.cluster.apply(with_tolerations(NODE, *DEFAULTS))
    await settle()
    assert running.cluster.writes == ["status Pending", "tolerations"]
    assert running.cluster.pods[UID]["spec"]["tolerations"] == [NODE, *OUTLASTING]
    running.site.knows(report(runs()))
    await running.clock.advance(600)
    assert running.cluster.writes == ["status Pending", "tolerations", "status Running"]


async def test_pods_of_an_earlier_release_are_changed_after_the_upgrade(running):
    running.cluster.apply(with_tolerations(NODE, *OUTLASTING))
    await settle()
    await running.stop()
    running.cluster.pods[UID]["spec"]["tolerations"] = [NODE, *DEFAULTS]
    await running.start()
    assert running.cluster.pods[UID]["spec"]["tolerations"] == [NODE, *OUTLASTING]


async def test_what_somebody_sets_later_stays(running):
    running.cluster.apply(with_tolerations(NODE, *DEFAULTS))
    await settle()
    running.cluster.apply({**running.cluster.pods[UID], "spec": with_tolerations(NODE, *DEFAULTS)["spec"]})
    await running.clock.advance(600)
    assert running.cluster.writes.count("tolerations") == 1


@pytest.mark.parametrize("error", [Unavailable("403"), Refused("only additions are allowed")])
async def test_a_cluster_that_does_not_allow_it_keeps_no_status_back(running, error):
    async def refuse(*_):
        raise error

    running.cluster.set_tolerations = refuse
    running.cluster.apply(with_tolerations(NODE, *DEFAULTS))
    await settle()
    running.site.knows(report(runs()))
    await running.clock.advance(6)
    assert running.status(UID)["phase"] == "Running"


async def test_a_pod_that_waits_for_its_job_outlasts_an_outage_too(running):
    running.site.is_down = True
    running.cluster.apply(with_tolerations(NODE, *DEFAULTS))
    await settle()
    assert running.cluster.pods[UID]["spec"]["tolerations"] == [NODE, *OUTLASTING]
    assert running.cluster.writes == ["event CreateDelayed", "tolerations"]
