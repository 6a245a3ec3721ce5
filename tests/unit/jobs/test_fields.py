"""The table of fields tells the truth: each row is planned, and compared with a pod that lacks the field."""

import base64
import copy
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import client

from dte.interlink.jobs.directory import JobDirectory
from dte.interlink.jobs.fields import CONTAINER, MOUNT, NO_IMAGES, POD, TABLES, VOLUME, Fate, Field, Fields
from dte.interlink.jobs.spec import JobPlan, PlainRuntime, plan_job
from dte.interlink.sidecars.slurm.options import place, sbatch_options
from dte.interlink.wire import ContainerVolumes, PluginCreate
from dte.runtime.errors import Refused
from tests.unit.interlink_slurm.pods import some_settings
from tests.unit.jobs.fields_table import PAGE, page_with_tables

UID = "45664d6c-d131-4249-bf8c-0fe5c2a8be0b"
DIRECTORY = JobDirectory(Path("/exa/jobs"), "default", UID)
RUNTIME = PlainRuntime(host_paths=["/exa"])
MODELS = {
    "pod": (client.V1PodSpec, POD),
    "container": (client.V1Container, CONTAINER),
    "mount": (client.V1VolumeMount, MOUNT),
    "volume": (client.V1Volume, VOLUME),
}
OBJECTS = ContainerVolumes(
    "c",
    config_maps=[{"metadata": {"name": "o"}, "data": {"k": "v"}}],
    secrets=[{"metadata": {"name": "o"}, "data": {"k": base64.b64encode(b"v").decode()}}],
    projected=[{"metadata": {"name": "v"}, "data": {"f": "v"}}],
)
BASE: dict[str, Any] = {
    "metadata": {"name": "p", "namespace": "default", "uid": UID},
    "spec": {
        "restartPolicy": "Never",
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "emptyDir": {}}],
        "containers": [
            {
                "name": "c",
                "command": ["x"],
                "env": [{"name": "A", "value": "a"}],
                "volumeMounts": [{"name": "v", "mountPath": "/m"}],
            }
        ],
    },
}


def with_field(kind: str, name: str, value: Any) -> dict[str, Any]:
    pod = copy.deepcopy(BASE)
    (container,) = pod["spec"]["containers"]
    if kind == "volume" and name != "name":
        pod["spec"]["volumes"][0] = {"name": "v", name: value}
        return pod
    place = {
        "pod": pod["spec"],
        "container": container,
        "mount": container["volumeMounts"][0],
        "volume": pod["spec"]["volumes"][0],
    }
    place[kind][name] = value
    return pod


def planned(pod: dict[str, Any]) -> JobPlan:
    return plan_job(PluginCreate(pod, [OBJECTS]), DIRECTORY, RUNTIME)


def options(pod: dict[str, Any]) -> tuple[str, ...]:
    settings = some_settings(Nodes={"other": {"Partitions": ["p"]}, "": {"Partitions": ["q"]}})
    return sbatch_options(settings, pod, place(settings, pod)).arguments


def rows(*fates: Fate) -> list[Any]:
    return [
        pytest.param(kind, name, field, id=f"{kind} {name}")
        for kind, (_, fields) in MODELS.items()
        for name, field in fields.items()
        if field.fate in fates
    ]


@pytest.mark.parametrize("kind", MODELS)
def test_every_field_that_kubernetes_knows_has_a_row(kind: str) -> None:
    model, fields = MODELS[kind]
    assert set(fields) == set(model.attribute_map.values())


def test_every_table_is_in_the_page() -> None:
    text = PAGE.read_text()
    assert page_with_tables(text) == text, "run python -m tests.unit.jobs.fields_table"
    assert text.count("| field | what becomes of it |") == len(TABLES)


@pytest.mark.parametrize(("kind", "name", "field"), rows(Fate.HONOURED))
def test_what_is_honoured_changes_the_job(kind: str, name: str, field: Field) -> None:
    before, after = planned(BASE), planned(with_field(kind, name, field.example))
    is_what_it_was = with_field(kind, name, field.example) == BASE
    assert is_what_it_was or (after.spec, after.files, after.directories) != (
        before.spec,
        before.files,
        before.directories,
    )
    assert [line for line in after.warnings if not line.startswith(NO_IMAGES)] == []


@pytest.mark.parametrize(("kind", "name", "field"), rows(Fate.WARNED))
def test_what_is_left_out_is_said(kind: str, name: str, field: Field) -> None:
    plan = planned(with_field(kind, name, field.example))
    assert plan.spec == planned(BASE).spec
    (line,) = plan.warnings
    assert field.text in line


@pytest.mark.parametrize(("kind", "name", "field"), rows(Fate.REFUSED))
def test_what_is_refused_is_refused_with_these_words(kind: str, name: str, field: Field) -> None:
    with pytest.raises(Refused) as refusal:
        planned(with_field(kind, name, field.example))
    assert field.text in str(refusal.value)


@pytest.mark.parametrize(("kind", "name", "field"), rows(Fate.BATCH))
def test_what_is_an_option_changes_the_options_and_not_the_job(kind: str, name: str, field: Field) -> None:
    pod = with_field(kind, name, field.example)
    assert options(pod) != options(BASE)
    assert planned(pod) == planned(BASE)


@pytest.mark.parametrize(("kind", "name", "field"), rows(Fate.NATURE, Fate.CLUSTER, Fate.SILENT))
def test_the_rest_changes_nothing_and_is_not_mentioned(kind: str, name: str, field: Field) -> None:
    assert planned(with_field(kind, name, field.example)) == planned(BASE)


def fields_with_text(fields: Fields) -> list[str]:
    return [name for name, field in fields.items() if field.fate in (Fate.WARNED, Fate.REFUSED) and not field.text]


def test_whoever_does_not_get_something_is_told_why() -> None:
    assert [name for fields in TABLES.values() for name in fields_with_text(fields)] == []
