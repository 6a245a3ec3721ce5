"""Which objects each container gets."""

from typing import Any

from dte.interlink.api.volumes import match_volumes
from dte.interlink.wire import CreateRequest


def container(name: str, *mounts: str) -> dict[str, Any]:
    return {"name": name, "volumeMounts": [{"name": mount, "mountPath": f"/{mount}"} for mount in mounts]}


def named(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


VOLUMES = [
    {"name": "conf", "configMap": {"name": "settings"}},
    {"name": "keys", "secret": {"secretName": "password"}},
    {"name": "api", "projected": {"sources": []}},
    {"name": "info", "downwardAPI": {"items": []}},
    {"name": "tmp", "emptyDir": {}},
    {"name": "again", "configMap": {"name": "settings"}},
]
SETTINGS, PASSWORD, API, INFO = named("settings", a="1"), named("password", b="Mg=="), named("api"), named("info")


def request(**spec: Any) -> CreateRequest:
    return CreateRequest({"spec": {"volumes": VOLUMES, **spec}}, [SETTINGS], [PASSWORD], [API, INFO])


def test_each_container_gets_what_it_mounts_and_init_containers_come_first() -> None:
    matched = match_volumes(
        request(initContainers=[container("prepare", "keys")], containers=[container("run", "conf", "api", "tmp")])
    )
    prepare, run = matched.containers
    assert (prepare.name, prepare.secrets, prepare.config_maps, prepare.projected) == ("prepare", (PASSWORD,), (), ())
    assert (run.name, run.secrets, run.config_maps, run.projected) == ("run", (), (SETTINGS,), (API,))
    assert matched.missing == ()


def test_downward_api_files_come_as_projected_under_the_volume_name() -> None:
    assert match_volumes(request(containers=[container("c", "info")])).containers[0].projected == (INFO,)


def test_an_object_mounted_twice_is_sent_once() -> None:
    matched = match_volumes(request(containers=[container("c", "conf", "again", "conf")]))
    assert matched.containers[0].config_maps == (SETTINGS,)


def test_a_container_without_mounts_gets_nothing() -> None:
    only = match_volumes(request(containers=[{"name": "c", "volumeMounts": None}])).containers[0]
    assert (only.config_maps, only.secrets, only.projected) == ((), (), ())


def test_missing_objects_are_named_once_and_are_no_error() -> None:
    bare = CreateRequest(request(containers=[container("c", "conf", "keys", "api"), container("d", "conf")]).pod)
    assert match_volumes(bare).missing == ("configmap settings", "secret password", "projected volume api")


def test_a_mount_of_an_undefined_volume_needs_nothing_here() -> None:
    matched = match_volumes(request(containers=[container("c", "nowhere")]))
    assert matched.containers[0].config_maps == ()
    assert matched.missing == ()


def test_a_secret_and_a_config_map_of_one_name_are_two_things() -> None:
    pod = {
        "spec": {
            "volumes": [{"name": "v", "secret": {"secretName": "same"}}],
            "containers": [container("c", "v")],
        }
    }
    secret = named("same", k="c2VjcmV0")
    only = match_volumes(CreateRequest(pod, [named("same", k="text")], [secret])).containers[0]
    assert (only.secrets, only.config_maps) == ((secret,), ())
