"""Daemons of this release and of the one before work together, in every combination and in the middle of a job."""

import contextlib
from collections.abc import Iterator

import pytest

from dte.interlink import wire
from dte.interlink.virtual_kubelet.ports import NoWatch
from tests.integration.upgrade.releases import Edge, Release, a_pod, an_edge, create, exit_code, terminated
from tests.lab.fixtures import SlurmLab

NOW, PREVIOUS = Release.NOW, Release.PREVIOUS


@pytest.fixture
def edge(lab_slurm: SlurmLab) -> Iterator[Edge]:
    with an_edge(lab_slurm) as made:
        yield made


@pytest.mark.parametrize(("sidecar", "api"), [(PREVIOUS, NOW), (NOW, PREVIOUS)])
async def test_a_pod_runs_between_daemons_of_two_releases(edge: Edge, sidecar: Release, api: Release) -> None:
    pod = a_pod("echo said; exit 3")
    with edge.sidecar(sidecar), edge.api(api):
        async with edge.kubelet() as site:
            job_id = await create(site, pod)
            assert await create(site, pod) == job_id
            status = await terminated(site, pod)
            assert (status.job_id, exit_code(status)) == (job_id, 3)
            wanted = wire.LogRequest("default", pod["metadata"]["uid"], "hello", "main")
            async with site.logs(wanted) as chunks:
                assert b"".join([chunk async for chunk in chunks]) == b"said\n"
            assert "cpu" in (await site.ping()).text
            await site.delete(pod)
            if api is PREVIOUS:
                with pytest.raises(NoWatch):
                    async with site.watch():
                        pass


async def test_daemons_are_upgraded_one_after_the_other_under_a_running_job(edge: Edge) -> None:
    """The job outlives both upgrades, is the same job all the time, and its true end is seen."""
    pod, flag = a_pod("while [ ! -e ../go ]; do sleep 0.1; done; exit 7"), f"{edge.root}/default-{{}}/go"
    uid = pod["metadata"]["uid"]
    with contextlib.ExitStack() as api_life, contextlib.ExitStack() as sidecar_life:
        sidecar_life.enter_context(edge.sidecar(PREVIOUS))
        api_life.enter_context(edge.api(PREVIOUS))
        async with edge.kubelet() as site:
            job_id = await create(site, pod)

        sidecar_life.close()
        sidecar_life.enter_context(edge.sidecar(NOW))
        async with edge.kubelet() as site:
            assert await create(site, pod) == job_id

        api_life.close()
        api_life.enter_context(edge.api(NOW))
        async with edge.kubelet() as site:
            assert await create(site, pod) == job_id
            edge.slurm.run("touch", flag.format(uid))
            status = await terminated(site, pod)
            assert (status.job_id, exit_code(status)) == (job_id, 7)
    jobs = edge.slurm.run("squeue", "--me", "--noheader", "--states=all", f"--name={uid}", "--format=%i").split()
    assert jobs == [job_id]
