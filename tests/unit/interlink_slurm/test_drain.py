"""The site's drain file: who has to wait, why and until when."""

import json
from datetime import UTC, datetime

import pytest

from dte.interlink.sidecars.slurm.drain import DrainFile, parse_drains
from dte.runtime.errors import BadOutput, Unavailable
from tests.unit.interlink_slurm.pods import OTHER_UID, UID, a_pod

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC).timestamp()


def write(path, *drains):
    path.write_text(json.dumps({"drains": drains}))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "drain.json"


@pytest.fixture
def drains(path, site):
    return DrainFile(path, "twin01", site.pool)


async def test_without_the_file_nothing_is_drained(drains):
    await drains.require_open("vega-cpu", now=NOW)


@pytest.mark.parametrize(
    ("entry", "holds"),
    [
        pytest.param({}, True, id="the whole host"),
        pytest.param({"node": "vega-cpu"}, True, id="this node"),
        pytest.param({"node": "vega-gpu"}, False, id="another node"),
        pytest.param({"account": "twin01"}, True, id="this account"),
        pytest.param({"account": "twin02", "node": "vega-cpu"}, False, id="another account"),
        pytest.param({"until": "2026-03-01T06:00:01Z"}, True, id="not over"),
        pytest.param({"until": "2026-03-01T07:00:00+01:00"}, False, id="over"),
    ],
)
async def test_an_entry_holds_for_its_node_its_account_and_its_time(drains, path, entry, holds):
    write(path, {"reason": "new kernel", **entry})

    assert (await drains.holding("vega-cpu", now=NOW) is not None) is holds


async def test_the_reason_and_the_end_reach_whoever_waits(drains, path):
    write(path, {"reason": "new kernel", "until": "2026-03-01T12:00:00Z"})

    with pytest.raises(Unavailable, match="until 2026-03-01T12:00:00Z: new kernel") as error:
        await drains.require_open("vega-cpu", now=NOW)
    assert error.value.retry_after_s == 60


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"drains": [{}]}', '{"drains": [{"reason": "x", "until": "2026-03-01T06:00:00"}]}']
)
async def test_a_file_that_is_not_understood_drains_and_says_so(drains, path, content):
    path.write_text(content)
    with pytest.raises(BadOutput, match="not a drain file"):
        parse_drains(content.encode())

    with pytest.raises(Unavailable, match="cannot be read"):
        await drains.require_open("vega-cpu", now=NOW)


async def test_a_drained_site_takes_no_new_pod_and_keeps_those_it_has(site):
    await site.create()
    write(site.root / "drain.json", {"reason": "new kernel"})

    with pytest.raises(Unavailable, match="new kernel"):
        await site.create(a_pod(uid=OTHER_UID))
    assert (await site.create()).job_id == "1"
    await site.round()
    assert site.status(UID) is not None

    (site.root / "drain.json").unlink()
    assert (await site.create(a_pod(uid=OTHER_UID))).job_id == "2"
