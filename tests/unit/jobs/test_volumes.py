import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dte.interlink.jobs.objects import Objects, collect_objects
from dte.interlink.jobs.paths import confined_path
from dte.interlink.jobs.volume_kinds import HostPath, Offer, PlannedFile, SizeLimit
from dte.interlink.jobs.volumes import VolumePlan, plan_volumes
from dte.interlink.wire import ContainerVolumes
from dte.runtime.errors import Malformed, Refused


def plan(volume: dict[str, Any], mount: dict[str, Any] | None = None, **objects: Any) -> VolumePlan:
    """One container that mounts one volume, `v`."""
    mount = {"name": "v", "mountPath": "/m", **(mount or {})}
    pod = {"spec": {"containers": [{"name": "c", "volumeMounts": [mount]}], "volumes": [{"name": "v", **volume}]}}
    return plan_volumes(pod, Offer(Objects(**objects), ["/exa", "/dev/null"]), {"c": {"POD": "p-1", "UP": ".."}})


def config_map(**more: Any) -> dict[str, Any]:
    return {"configMap": {"name": "o", **more}}


CONTENT = {"o": {"k": b"1", "l": b"2"}}


def test_every_key_of_a_config_map_is_a_file() -> None:
    result = plan(config_map(), config_maps=CONTENT)
    assert result.files == [PlannedFile("configMaps/v/k", b"1", 0o644), PlannedFile("configMaps/v/l", b"2", 0o644)]


def test_what_kubelet_fills_is_mounted_read_only() -> None:
    (mount,) = plan(config_map(), config_maps=CONTENT).mounts["c"]
    assert (mount.source, mount.target, mount.read_only) == ("configMaps/v", "/m", True)


def test_items_choose_keys_paths_and_modes() -> None:
    items = [{"key": "l", "path": "d/e", "mode": 0o400}]
    result = plan(config_map(items=items, defaultMode=0o600), config_maps=CONTENT)
    assert result.files == [PlannedFile("configMaps/v/d/e", b"2", 0o400)]


def test_secrets_are_for_their_owner_only() -> None:
    volume = {"secret": {"secretName": "o", "defaultMode": 0o555}}
    assert {file.mode for file in plan(volume, secrets=CONTENT).files} == {0o500}


def test_a_mode_never_takes_reading_from_the_jobs_account() -> None:
    assert {file.mode for file in plan(config_map(defaultMode=0), config_maps=CONTENT).files} == {0o400}


def test_a_projected_volume_holds_the_paths_that_came_with_the_pod() -> None:
    item = {"path": "d/token", "mode": 0o440}
    volume = {"projected": {"sources": [{"configMap": {"items": [item]}}], "defaultMode": 0o600}}
    result = plan(volume, projected={"v": {"d/token": b"t", "ca.crt": b"c"}})
    assert [(file.path, file.mode) for file in result.files] == [
        ("projectedVolumeMaps/v/d/token", 0o400),
        ("projectedVolumeMaps/v/ca.crt", 0o600),
    ]


def test_a_projected_volume_without_content_is_empty_and_said_so() -> None:
    result = plan({"projected": {"sources": []}})
    assert result.directories == ["projectedVolumeMaps/v"]
    assert "empty" in result.warnings[0]


def test_an_empty_dir_is_a_writable_directory() -> None:
    result = plan({"emptyDir": {}}, {"subPath": "a/b"})
    assert result.directories == ["emptyDirs/v", "emptyDirs/v/a/b"]
    assert [(mount.source, mount.read_only) for mount in result.mounts["c"]] == [("emptyDirs/v/a/b", False)]
    assert result.limits == []


@pytest.mark.parametrize(
    ("source", "limit"),
    [
        ({"medium": "Memory"}, SizeLimit("v", "emptyDirs/v", None, "", True)),
        ({"medium": "Memory", "sizeLimit": "1Mi"}, SizeLimit("v", "emptyDirs/v", 1 << 20, "1Mi", True)),
        ({"sizeLimit": "1k"}, SizeLimit("v", "emptyDirs/v", 1000, "1k", False)),
    ],
)
def test_an_empty_dir_may_be_in_memory_and_have_a_limit(source: dict[str, Any], limit: SizeLimit) -> None:
    assert plan({"emptyDir": source}).limits == [limit]


def test_a_limit_of_zero_is_none() -> None:
    assert plan({"emptyDir": {"sizeLimit": "0"}}).limits == []


@pytest.mark.parametrize(("source", "text"), [({"medium": "HugePages"}, "medium"), ({"sizeLimit": "x"}, "sizeLimit")])
def test_an_empty_dir_that_cannot_be_made_is_refused(source: dict[str, Any], text: str) -> None:
    with pytest.raises(Refused, match=text):
        plan({"emptyDir": source})


def test_a_path_of_the_node_is_looked_at_on_the_node() -> None:
    result = plan({"hostPath": {"path": "/exa//data/", "type": "Directory"}}, {"subPath": "a", "readOnly": True})
    (mount,) = result.mounts["c"]
    assert (mount.source, mount.read_only) == ("a", True)
    assert mount.host == HostPath("/exa/data", "Directory", ["/exa", "/dev/null"])
    assert result.directories == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"path": "/etc"}, "hostPath /etc is not allowed at this site; allowed are: /exa, /dev/null"),
        ({"path": "/exabyte"}, "not allowed"),
        ({"path": "/exa/../etc"}, "without .."),
        ({"path": "exa"}, "must be absolute"),
        ({"path": "/exa", "type": "Sock"}, "not a type of hostPath"),
    ],
)
def test_a_path_of_the_node_outside_of_what_is_allowed_is_refused(source: dict[str, str], text: str) -> None:
    with pytest.raises(Refused, match=text):
        plan({"hostPath": source})


def test_a_sub_path_may_have_variables_of_the_container() -> None:
    (mount,) = plan({"emptyDir": {}}, {"subPathExpr": "of-$(POD)/$$(POD)"}).mounts["c"]
    assert mount.source == "emptyDirs/v/of-p-1/$(POD)"


@pytest.mark.parametrize(
    ("mount", "text"),
    [
        ({"subPathExpr": "$(NOPE)"}, "subPathExpr names NOPE"),
        ({"subPathExpr": "a/$(UP)/b"}, "without .."),
        ({"subPathExpr": "a", "subPath": "b"}, "exclude each other"),
    ],
)
def test_a_sub_path_that_leads_nowhere_is_refused(mount: dict[str, str], text: str) -> None:
    with pytest.raises(Refused, match=text):
        plan({"emptyDir": {}}, mount)


def test_a_sub_path_is_one_file_of_the_volume() -> None:
    (mount,) = plan(config_map(), {"subPath": "k", "mountPath": "/etc/app.conf"}, config_maps=CONTENT).mounts["c"]
    assert (mount.source, mount.target) == ("configMaps/v/k", "/etc/app.conf")


def test_a_sub_path_that_the_volume_does_not_have_is_refused() -> None:
    with pytest.raises(Refused, match="has no 'x'"):
        plan(config_map(), {"subPath": "x"}, config_maps=CONTENT)


def test_a_missing_object_is_refused_unless_it_is_optional() -> None:
    with pytest.raises(Refused, match="ConfigMap 'o' did not come"):
        plan(config_map())
    assert plan(config_map(optional=True)).files == []


def test_a_missing_key_is_refused_unless_it_is_optional() -> None:
    items = [{"key": "x", "path": "x"}]
    with pytest.raises(Refused, match="no key 'x'"):
        plan(config_map(items=items), config_maps=CONTENT)
    assert plan(config_map(items=items, optional=True), config_maps=CONTENT).files == []


@pytest.mark.parametrize(
    ("volume", "kind"),
    [
        ({"nfs": {"path": "/etc"}}, "nfs"),
        ({"persistentVolumeClaim": {"claimName": "x"}}, "persistentVolumeClaim"),
        ({"csi": {}}, "csi"),
        ({"emptyDir": None}, "none"),
    ],
)
def test_a_type_that_is_not_offered_is_refused_by_name(volume: dict[str, Any], kind: str) -> None:
    with pytest.raises(Refused, match=f"container c mounts volume v of type {kind}"):
        plan(volume)


def test_a_volume_that_nobody_mounts_may_be_of_any_type() -> None:
    pod = {"spec": {"containers": [{"name": "c"}], "volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}
    assert plan_volumes(pod, Offer(Objects())).directories == []


def test_a_mount_of_an_undefined_volume_is_refused() -> None:
    with pytest.raises(Refused, match="does not define"):
        plan(config_map(), {"name": "w"}, config_maps=CONTENT)


@pytest.mark.parametrize("path", ["m", "", None, "/", "/a/../b", "/a\0", "/" + "x" * 300])
def test_a_bad_mount_path_is_refused(path: Any) -> None:
    with pytest.raises(Refused, match="mountPath"):
        plan({"emptyDir": {}}, {"mountPath": path})


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../../x", "a\0", 3])
def test_a_sub_path_that_leaves_the_volume_is_refused(path: Any) -> None:
    with pytest.raises(Refused, match="subPath"):
        plan({"emptyDir": {}}, {"subPath": path})


@pytest.mark.parametrize("key", ["a/b", "..", ".", "", "a\0"])
def test_a_key_that_is_no_file_name_is_refused(key: str) -> None:
    with pytest.raises(Refused):
        plan(config_map(), config_maps={"o": {key: b""}})


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../b", "", ".", None])
def test_an_item_path_that_leaves_the_volume_is_refused(path: Any) -> None:
    with pytest.raises(Refused):
        plan(config_map(items=[{"key": "k", "path": path}]), config_maps=CONTENT)


def test_a_path_that_is_file_and_directory_at_once_is_refused() -> None:
    with pytest.raises(Refused, match="cannot both"):
        plan({"projected": {}}, projected={"v": {"a": b"", "a/b": b""}})


@pytest.mark.parametrize("mode", [-1, 0o1000, "0644", True])
def test_a_bad_mode_is_malformed(mode: Any) -> None:
    with pytest.raises(Malformed, match="mode"):
        plan(config_map(defaultMode=mode), config_maps=CONTENT)


@pytest.mark.parametrize("name", ["../v", "a/b", "V", ""])
def test_a_volume_name_that_is_no_label_is_refused(name: str) -> None:
    pod = {
        "spec": {
            "containers": [{"name": "c", "volumeMounts": [{"name": name, "mountPath": "/m"}]}],
            "volumes": [{"name": name, "emptyDir": {}}],
        }
    }
    with pytest.raises(Refused, match="volume name"):
        plan_volumes(pod, Offer(Objects()))


@given(text=st.text(alphabet="a./\0ä") | st.text())
def test_a_confined_path_never_leaves_its_directory(text: str) -> None:
    try:
        path = confined_path(text, "path")
    except Refused:
        return
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))


@given(content=st.binary(), text=st.text(st.characters(exclude_categories=["Cs"])))
def test_contents_stay_byte_for_byte(content: bytes, text: str) -> None:
    in_base64 = base64.b64encode(content).decode()
    objects = collect_objects(
        [
            ContainerVolumes(
                "c",
                config_maps=[{"metadata": {"name": "o"}, "data": {"t": text}, "binaryData": {"b": in_base64}}],
                secrets=[{"metadata": {"name": "s"}, "data": {"b": in_base64}}],
                projected=[{"metadata": {"name": "v"}, "data": {"t": text}}],
            )
        ]
    )
    assert objects.config_maps["o"] == {"t": text.encode(), "b": content}
    assert objects.secrets["s"] == {"b": content}
    assert objects.projected["v"] == {"t": text.encode()}


def test_a_secret_that_is_not_base64_is_malformed() -> None:
    with pytest.raises(Malformed, match="not base64"):
        collect_objects([ContainerVolumes("c", secrets=[{"metadata": {"name": "s"}, "data": {"k": "?"}}])])
