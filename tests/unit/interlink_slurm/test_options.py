import pytest

from dte.interlink.sidecars.slurm.options import FLAGS_ANNOTATION, FLAVOR_ANNOTATION, job_comment, place, sbatch_options
from dte.runtime.errors import Refused
from tests.unit.interlink_slurm.pods import a_container, a_pod, some_settings

FLAVORS = {
    "cpu": {"Partition": "cpu", "Time": "1-00:00:00", "CPUDefault": 2, "MemoryDefault": "16G", "Qos": "normal"},
    "gpu": {"Partition": "gpu", "GresMap": {"nvidia.com/gpu": "gpu:h100"}, "FlagsForced": ["--time=60"]},
}


def options(pod, **keys):
    settings = some_settings(**keys)
    return sbatch_options(settings, pod, place(settings, pod))


def arguments(pod, **keys):
    return options(pod, **keys).arguments


def flagged(text):
    return a_pod(annotations={FLAGS_ANNOTATION: text})


def test_a_pod_without_wishes_gets_no_option():
    assert arguments(a_pod()) == ()


@pytest.mark.parametrize(
    ("containers", "init", "expected"),
    [
        pytest.param([{"cpu": "500m"}], [], "--cpus-per-task=1", id="a part of a cpu is one"),
        pytest.param([{"cpu": "2"}, {"cpu": "1500m"}], [], "--cpus-per-task=4", id="sum of containers"),
        pytest.param([{"cpu": "1"}], [{"cpu": "8"}, {"cpu": "3"}], "--cpus-per-task=8", id="largest init container"),
        pytest.param([{"memory": "1Gi"}, {"memory": "512Mi"}], [], "--mem=1536M", id="memory sum"),
        pytest.param([{"memory": "1"}], [], "--mem=1M", id="never --mem=0, which is all of the node"),
        pytest.param([{"memory": "128974848"}], [], "--mem=123M", id="bytes"),
    ],
)
def test_limits_become_cpus_and_memory(containers, init, expected):
    pod = a_pod(
        *(a_container(f"c{i}", **limits) for i, limits in enumerate(containers)),
        init=[a_container(f"i{i}", **limits) for i, limits in enumerate(init)],
    )

    assert arguments(pod) == (expected,)


def test_requests_count_where_there_is_no_limit():
    pod = a_pod({"name": "c", "resources": {"requests": {"cpu": "3", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}})

    assert arguments(pod) == ("--cpus-per-task=3", "--mem=2048M")


def test_a_flavor_is_the_default_and_limits_win_over_it():
    pod = a_pod(a_container(cpu="8"))

    got = arguments(pod, Flavors=FLAVORS, DefaultFlavor="cpu", SlurmAccount="d1")

    assert got == (
        "--account=d1",
        "--cpus-per-task=8",
        "--mem=16384M",
        "--partition=cpu",
        "--qos=normal",
        "--time=1-00:00:00",
    )


def test_sidecars_need_their_share_beside_all_that_come_after_them():
    sidecar = {**a_container("s", cpu="2"), "restartPolicy": "Always"}
    assert "--cpus-per-task=5" in arguments(a_pod(a_container(cpu="3"), init=[sidecar]))
    assert "--cpus-per-task=8" in arguments(a_pod(a_container(cpu="3"), init=[sidecar, a_container("i", cpu="6")]))
    assert "--cpus-per-task=6" in arguments(a_pod(a_container(cpu="3"), init=[a_container("i", cpu="6"), sidecar]))


def test_slurms_limit_leaves_the_grace_period_to_a_pod_over_its_deadline():
    assert "--time=2" in arguments(a_pod(activeDeadlineSeconds=60, terminationGracePeriodSeconds=60))


def test_a_deadline_wins_over_the_flavors_time_and_the_annotation_over_both():
    keys = {"Flavors": FLAVORS, "DefaultFlavor": "cpu"}

    assert "--time=2" in arguments(a_pod(activeDeadlineSeconds=61), **keys)
    pod = a_pod(activeDeadlineSeconds=61, annotations={FLAGS_ANNOTATION: "-t 5"})
    assert "--time=5" in arguments(pod, **keys)


def test_forced_options_win_over_everything():
    pod = a_pod(a_container(cpu="4"), annotations={FLAVOR_ANNOTATION: "gpu", FLAGS_ANNOTATION: "-t 5 --exclusive"})

    got = arguments(pod, Flavors=FLAVORS, FlagsForced=["--time=30", "--cpus-per-task=1"])

    assert got == ("--cpus-per-task=1", "--exclusive", "--partition=gpu", "--time=60")


def test_special_resources_go_through_the_map_of_a_fitting_flavor():
    pod = a_pod(a_container(**{"nvidia.com/gpu": "2"}), a_container("b", **{"nvidia.com/gpu": "1"}))

    assert "--gres=gpu:h100:3" in arguments(pod, Flavors=FLAVORS, DefaultFlavor="cpu")


def test_a_special_resource_without_a_map_is_refused_by_name():
    with pytest.raises(Refused, match="amd.com/gpu"):
        arguments(a_pod(a_container(**{"amd.com/gpu": "1"})), Flavors=FLAVORS)


def test_an_owned_option_is_left_out_with_a_warning():
    got = options(flagged("--job-name=mine --export=ALL -o /etc/passwd -t 5"))

    assert got.arguments == ("--time=5",)
    assert [warning.split()[2] for warning in got.warnings] == ["--job-name", "--export", "--output"]


@pytest.mark.parametrize("text", ["--array=1-9", "-M other", "--uid=0", "--gid 0", "--wrap='rm -rf /'", "--help"])
def test_a_refused_option_is_refused_with_the_reason(text):
    with pytest.raises(Refused, match="cannot be used: "):
        arguments(flagged(text))


def test_an_option_outside_the_list_is_refused_with_the_list():
    with pytest.raises(Refused, match="--nice is not allowed here; allowed are: mem, time"):
        arguments(flagged("--nice=5"), FlagsAllowed=["time", "mem"])


def test_memory_options_that_exclude_each_other_never_meet():
    pod = a_pod(a_container(memory="1Gi"), annotations={FLAGS_ANNOTATION: "--mem-per-cpu=2G"})

    assert arguments(pod) == ("--mem=1024M",)


NODES = {"vega-cpu": {"Partitions": ["cpu", "large"]}, "vega-gpu": {"Partitions": ["gpu"], "DefaultFlavor": "gpu"}}


def test_the_virtual_node_chooses_partitions_and_default_flavor():
    assert arguments(a_pod(nodeName="vega-cpu"), Nodes=NODES, Flavors=FLAVORS) == ("--partition=cpu,large",)
    assert arguments(a_pod(nodeName="vega-gpu"), Nodes=NODES, Flavors=FLAVORS) == ("--partition=gpu", "--time=60")


def test_a_node_that_is_not_served_is_refused_with_those_that_are():
    with pytest.raises(Refused, match="vega-cpu, vega-gpu"):
        arguments(a_pod(nodeName="other"), Nodes=NODES, Flavors=FLAVORS)


def test_a_flavor_of_another_nodes_partition_is_refused():
    pod = a_pod(nodeName="vega-cpu", annotations={FLAVOR_ANNOTATION: "gpu"})

    with pytest.raises(Refused, match="cpu, large"):
        arguments(pod, Nodes=NODES, Flavors=FLAVORS)


def test_an_unknown_flavor_is_refused_with_those_there_are():
    with pytest.raises(Refused, match="flavors are: cpu, gpu"):
        arguments(a_pod(annotations={FLAVOR_ANNOTATION: "fast"}), Flavors=FLAVORS)


def test_a_quantity_that_is_none_is_refused_with_container_and_resource():
    with pytest.raises(Refused, match=r"container c: resources\.cpu"):
        arguments(a_pod(a_container("c", cpu="-1")))


def test_hostile_values_stay_one_argument_each():
    got = arguments(flagged("--constraint='a&b; $(touch /tmp/x) `id` \"q\"' --nodelist='n1\n#SBATCH --uid=0'"))

    assert got == ('--constraint=a&b; $(touch /tmp/x) `id` "q"', "--nodelist=n1\n#SBATCH --uid=0")


def test_a_comment_names_namespace_pod_account_and_requester():
    pod = a_pod(labels={"dte.intertwin.eu/requester": "ada"}, serviceAccountName="runner")

    assert job_comment(pod) == "dte1:default/hello/runner/ada"


def test_a_comment_is_encoded_and_never_longer_than_1_kib():
    pod = a_pod(name="a/b|c\n%é" * 60)

    comment = job_comment(pod)

    assert len(comment) <= 1024
    assert not set(comment) & set("|\n é")
    assert comment.startswith("dte1:default/a%2Fb%7Cc%0A%25%C3%A9")
