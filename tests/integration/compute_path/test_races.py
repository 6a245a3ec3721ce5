"""Creates and deletes that meet each other, twins, and the loss of everything at once: one of each, right states."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.compute_path.chain import TERMINAL, Chain, a_chain
from tests.lab.fixtures import KubeLab, SlurmLab

LIVE = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING"}


@pytest.fixture(scope="module")
def chain(lab_kube: KubeLab, lab_slurm: SlurmLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with a_chain(lab_kube, lab_slurm, tmp_path_factory.mktemp("races")) as chain:
        yield chain


def uid_of(chain: Chain, name: str) -> str:
    """Of the pod of that name; empty when there is none."""
    found = chain.kube.kubectl("get", "pod", name, "--namespace", chain.namespace, "--ignore-not-found", "-o=name")
    return str(show(chain, name)["metadata"]["uid"]) if found.strip() else ""


def show(chain: Chain, name: str) -> dict[str, Any]:
    return chain.kube.get("pod", name, "--namespace", chain.namespace)


def phase(chain: Chain, name: str) -> str:
    return str(show(chain, name)["status"]["phase"])


def exit_code(chain: Chain, name: str) -> int:
    chain.until(f"the end of {name}", lambda: phase(chain, name) in TERMINAL)
    return int(show(chain, name)["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"])


def require_one_job(chain: Chain, uid: str) -> None:
    """It had one, and that is what ran."""
    assert chain.ran()[uid] == list(chain.jobs()[uid])


def test_pods_that_are_deleted_while_they_are_created_leave_nothing_that_runs(chain: Chain) -> None:
    names = [f"short-{number}" for number in range(6)]
    uids = []
    for name in names:
        chain.kube.apply(chain.pod(name, "exec sleep 300"))
        uids.append(uid_of(chain, name))
        chain.delete(name)

    chain.until("the pods to go", lambda: set(uids).isdisjoint(chain.pods()))
    jobs, ran = chain.jobs(), chain.ran()
    for uid in uids:
        assert len(jobs.get(uid, {})) <= 1
        assert len(ran.get(uid, [])) <= 1
        assert LIVE.isdisjoint(jobs.get(uid, {}).values())


def test_a_pod_of_a_stateful_set_is_made_again_once_its_job_is_over(chain: Chain) -> None:
    pod = chain.pod("unused", "trap 'sleep 1; exit 3' TERM; sleep 300 & wait")
    template = {"metadata": {"labels": {"app": "twin"}}, "spec": {**pod["spec"], "restartPolicy": "Always"}}
    spec = {"serviceName": "twin", "replicas": 1, "selector": {"matchLabels": {"app": "twin"}}, "template": template}
    meta = {"name": "twin", "namespace": chain.namespace}
    chain.kube.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": spec})
    chain.until("the first pod", lambda: bool(uid_of(chain, "twin-0")) and phase(chain, "twin-0") == "Running")
    first = uid_of(chain, "twin-0")

    chain.delete("twin-0")
    chain.until("the second pod", lambda: uid_of(chain, "twin-0") not in ("", first))

    # The name was free only once the first job was over.
    assert LIVE.isdisjoint(chain.jobs()[first].values())
    chain.until("the second job", lambda: phase(chain, "twin-0") == "Running")
    for uid in (first, uid_of(chain, "twin-0")):
        require_one_job(chain, uid)
    chain.kube.kubectl("delete", "statefulset", "twin", "--namespace", chain.namespace)
    chain.until("the set to go", lambda: not uid_of(chain, "twin-0"))


def test_two_virtual_kubelets_of_one_node_make_one_job_of_each_pod(chain: Chain) -> None:
    chain.add_kubelet("second-kubelet")
    chain.services["second-kubelet"].start()
    # Both follow the node: started before the pods are.
    chain.until("the second one", lambda: chain.services["second-kubelet"].has_logged(4))
    names = [f"twice-{number}" for number in range(4)]
    chain.kube.apply(*(chain.pod(name, f"sleep 1; exit {number}") for number, name in enumerate(names)))

    assert [exit_code(chain, name) for name in names] == [0, 1, 2, 3]
    for name in names:
        require_one_job(chain, uid_of(chain, name))
    chain.services.pop("second-kubelet").stop()


def test_all_daemons_killed_at_once_cost_no_pod_its_job_or_its_end(chain: Chain) -> None:
    flag = f"{chain.witness}/.go-on"
    names = [f"long-{number}" for number in range(4)]
    wait = f"until [ -e {flag} ]; do sleep 0.1; done"
    chain.kube.apply(*(chain.pod(name, f"{wait}; exit {10 + number}") for number, name in enumerate(names)))
    chain.until("running pods", lambda: all(phase(chain, name) == "Running" for name in names))

    for service in chain.services.values():
        service.kill()
    chain.slurm.run("touch", flag)
    chain.until("jobs that end unseen", lambda: LIVE.isdisjoint(states_of(chain, names)))
    for service in chain.services.values():
        service.start()

    assert [exit_code(chain, name) for name in names] == [10, 11, 12, 13]
    for name in names:
        require_one_job(chain, uid_of(chain, name))


def states_of(chain: Chain, names: list[str]) -> set[str]:
    jobs = chain.jobs()
    return {state for name in names for state in jobs[uid_of(chain, name)].values()}
