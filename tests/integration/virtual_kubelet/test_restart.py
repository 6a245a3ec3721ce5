"""The virtual kubelet ends, as a crash or a stop, and comes back."""

from tests.integration.virtual_kubelet.conftest import World


def test_pods_with_a_job_are_adopted_after_a_crash(world: World) -> None:
    world.submit(world.pod("survivor"))
    job = world.site.job_of("survivor")
    job.run("c")
    world.await_phase("survivor", "Running")
    world.kubelet.kill()
    job.end("c", 0)
    world.kubelet.start()
    world.await_phase("survivor", "Succeeded")
    assert world.site.creates.count(job.pod["metadata"]["uid"]) == 1


def test_a_pod_whose_job_id_was_never_saved_is_found_at_the_site(world: World) -> None:
    world.submit(world.pod("unsaved"))
    job = world.site.job_of("unsaved")
    world.kubelet.kill()
    world.kubectl("annotate", "pod", "unsaved", "JobID-")
    world.kubelet.start()
    world.until("JobID", lambda: world.show("unsaved")["metadata"]["annotations"].get("JobID") == str(job.number))
    assert world.site.creates.count(job.pod["metadata"]["uid"]) == 1


def test_a_pod_deleted_while_nobody_was_there_is_stopped_and_removed(world: World) -> None:
    world.submit(world.pod("orphan"))
    uid = world.site.job_of("orphan").pod["metadata"]["uid"]
    world.kubelet.kill()
    world.kubectl("delete", "pod", "orphan", "--wait=false")
    world.kubelet.start()
    world.until("the object to go", lambda: not world.exists("orphan"))
    assert uid in world.site.deletes


def test_a_pod_that_came_while_nobody_was_there_is_created(world: World) -> None:
    world.kubelet.kill()
    world.kube.apply(world.pod("latecomer"))
    world.kubelet.start()
    world.until("the job", lambda: world.site.has_job("latecomer"))


def test_it_stops_as_systemd_asks_and_leaves_node_and_pods(world: World) -> None:
    world.submit(world.pod("left-alone"))
    assert world.kubelet.stop() == 0
    assert world.exists("left-alone")
    assert world.site.job_of("left-alone").pod["metadata"]["uid"] not in world.site.deletes
    world.kubelet.start()
