"""What bubblewrap is asked to build, checked on a model of it and of a compute node's file system."""

import posixpath
from typing import NamedTuple

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from dte.interlink.jobs.supervisor.sandbox import HostFiles, Mount, MountRefused, Sandbox, plan_sandbox

DIRECTORY = b"/job/dir"
VOLUMES = {
    b"/job": "directory",
    DIRECTORY: "directory",
    b"/job/dir/v0": "directory",
    b"/job/dir/v1": "directory",
    b"/job/dir/v1/a": "directory",
    b"/job/dir/f": "file",
}


class FakeHost(HostFiles):
    """A file system of absolute paths: "directory", "file", or the target of a link as bytes."""

    def __init__(self, tree: dict[bytes, str | bytes], hidden: frozenset[bytes] = frozenset()) -> None:
        self.tree = {b"/": "directory", **tree}
        self.hidden = hidden

    def __repr__(self) -> str:
        return f"FakeHost({ {path: kind for path, kind in self.tree.items() if path not in VOLUMES} })"

    def kind(self, path: bytes) -> str | None:
        if posixpath.dirname(path) in self.hidden:
            raise PermissionError(13, "Permission denied")
        found = self.tree.get(path)
        return "link" if isinstance(found, bytes) else found

    def link_target(self, path: bytes) -> bytes:
        target = self.tree[path]
        assert isinstance(target, bytes)
        return target

    def children(self, path: bytes) -> list[bytes]:
        if path in self.hidden:
            raise PermissionError(13, "Permission denied")
        return sorted(posixpath.basename(p) for p in self.tree if posixpath.dirname(p) == path and p != b"/")

    def is_scratch(self, path: bytes) -> bool:
        return path == b"/tmp"


class Layer(NamedTuple):
    place: bytes
    source: bytes | None
    """None: a tmpfs."""


class View:
    """What a container sees: bubblewrap's arguments carried out in order, a later one over an earlier one."""

    def __init__(self, host: FakeHost, arguments: list[bytes]) -> None:
        self.host = host
        self.layers = [Layer(b"/", None)]
        self.links: dict[bytes, bytes] = {}
        words = iter(arguments)
        for option in words:
            if option in (b"--dev-bind", b"--dev-bind-try", b"--bind", b"--ro-bind"):
                source, place = next(words), next(words)
                assert self.can_make(place), f"no parent for {place!r}"
                self.layers.append(Layer(place, source))
            elif option == b"--symlink":
                target, place = next(words), next(words)
                assert self.covering(place).source is None, "a link would be written to the host"
                self.links[place] = target
            elif option == b"--tmpfs":
                self.layers.append(Layer(next(words), None))
            else:
                assert option == b"--remount-ro"
                assert self.covering(next(words)).source is None

    def covering(self, path: bytes) -> Layer:
        return next(
            layer
            for layer in reversed(self.layers)
            if path == layer.place or path.startswith(layer.place.rstrip(b"/") + b"/")
        )

    def backing(self, path: bytes) -> bytes | None:
        layer = self.covering(path)
        return None if layer.source is None else layer.source.rstrip(b"/") + path[len(layer.place.rstrip(b"/")) :]

    def can_make(self, place: bytes) -> bool:
        """Made in a tmpfs, or there already: never on the host."""
        backing = self.backing(place)
        return backing is None or self.host.kind(backing) is not None

    def follow(self, path: bytes) -> bytes | None:
        """The host's path behind `path`, links followed inside the view."""
        here, parts = b"/", [part for part in path.split(b"/") if part]
        for _ in range(1000):
            if not parts:
                return self.backing(here)
            part, *parts = parts
            if part in (b"", b".", b".."):
                here = posixpath.dirname(here) if part == b".." else here
                continue
            here = here.rstrip(b"/") + b"/" + part
            backing = self.backing(here)
            target = self.links.get(here) if backing is None else self.host.tree.get(backing)
            if isinstance(target, bytes):
                here = b"/" if target.startswith(b"/") else posixpath.dirname(here)
                parts = target.split(b"/") + parts
        raise AssertionError("a loop of links")


def planned(host: FakeHost, *mounts: Mount) -> Sandbox:
    sandbox = plan_sandbox(mounts, host, DIRECTORY)
    for point in sandbox.mount_points:
        host.tree.setdefault(point.path, "directory" if point.is_directory else "file")
    return sandbox


def mount(target: bytes, source: bytes = b"/job/dir/v0", *, read_only: bool = False) -> Mount:
    return Mount(source, target, read_only)


def test_a_mount_point_that_exists_is_bound_over() -> None:
    host = FakeHost({**VOLUMES, b"/data": "directory"})
    assert planned(host, mount(b"/data", read_only=True)).arguments() == [
        b"--dev-bind", b"/", b"/", b"--ro-bind", b"/job/dir/v0", b"/data",
    ]  # fmt: skip


def test_the_service_account_is_mounted_although_the_node_has_no_place_for_it() -> None:
    tree = {b"/var": "directory", b"/var/run": b"/run", b"/run": "directory", b"/run/lock": "directory"}
    host = FakeHost({**VOLUMES, **tree, b"/run/shm": b"/dev/shm", b"/run/utmp": "file"})
    place = b"/run/secrets/kubernetes.io/serviceaccount"
    arguments = planned(host, mount(b"/var" + place, read_only=True)).arguments()
    assert arguments == [
        b"--dev-bind", b"/", b"/",
        b"--tmpfs", b"/run",
        b"--dev-bind-try", b"/run/lock", b"/run/lock",
        b"--symlink", b"/dev/shm", b"/run/shm",
        b"--dev-bind-try", b"/run/utmp", b"/run/utmp",
        b"--ro-bind", b"/job/dir/v0", place,
        b"--remount-ro", b"/run",
    ]  # fmt: skip


def test_a_new_directory_in_the_root_gives_a_new_root() -> None:
    host = FakeHost({**VOLUMES, b"/usr": "directory", b"/bin": b"usr/bin"})
    arguments = planned(host, mount(b"/data/x")).arguments()
    assert arguments == [
        b"--symlink", b"usr/bin", b"/bin",
        b"--dev-bind-try", b"/job", b"/job",
        b"--dev-bind-try", b"/usr", b"/usr",
        b"--bind", b"/job/dir/v0", b"/data/x",
        b"--remount-ro", b"/",
    ]  # fmt: skip


def test_a_rebuilt_scratch_directory_stays_writable() -> None:
    host = FakeHost({**VOLUMES, b"/tmp": "directory"})
    assert b"--remount-ro" not in planned(host, mount(b"/tmp/x")).arguments()


def test_a_mount_inside_another_gets_its_mount_point_in_the_outer_volume() -> None:
    host = FakeHost({**VOLUMES, b"/data": "directory"})
    inner = mount(b"/data/x/y", b"/job/dir/f")
    sandbox = planned(host, inner, mount(b"/data"))
    assert [(point.path, point.is_directory) for point in sandbox.mount_points] == [
        (b"/job/dir/v0/x", True),
        (b"/job/dir/v0/x/y", False),
    ]
    assert sandbox.arguments()[3:] == [
        b"--bind", b"/job/dir/v0", b"/data", b"--bind", b"/job/dir/f", b"/data/x/y",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (b"/", "over /"),
        (b"/.", "over /"),
        (b"/rootlink", "over /"),
        (b"data", "absolute"),
        (b"/data/../etc", "without .."),
        (b"/file", "is a file"),
        (b"/file/x", "not a directory"),
        (b"/dangling/../x", "without .."),
        (b"/loop/x", "cannot be followed"),
        (b"/proc/x", "no mount point can be made"),
        (b"/secret/x/y", "Permission denied"),
        (b"/locked/x", "Permission denied"),
    ],
)
def test_a_mount_that_cannot_be_made_is_refused(target: bytes, text: str) -> None:
    tree: dict[bytes, str | bytes] = {
        b"/file": "file",
        b"/rootlink": b"/",
        b"/loop": b"/loop",
        b"/proc": "directory",
        b"/secret": "directory",
        b"/locked": "directory",
    }
    host = FakeHost({**VOLUMES, **tree}, hidden=frozenset([b"/secret", b"/locked"]))
    with pytest.raises(MountRefused, match=text):
        planned(host, mount(target))


def test_two_volumes_at_one_place_are_refused() -> None:
    host = FakeHost({**VOLUMES, b"/data": "directory", b"/link": b"/data"})
    with pytest.raises(MountRefused, match="would hide"):
        planned(host, mount(b"/data"), mount(b"/link"))


def test_a_source_behind_a_link_is_refused() -> None:
    host = FakeHost({**VOLUMES, b"/data": "directory", b"/job/dir/v0/s": b"/etc", b"/etc": "directory"})
    with pytest.raises(MountRefused, match="a link is in its place"):
        planned(host, mount(b"/data", b"/job/dir/v0/s"))


def test_a_link_in_a_volume_is_not_followed_to_a_mount_point() -> None:
    host = FakeHost({**VOLUMES, b"/data": "directory", b"/job/dir/v0/s": b"/etc", b"/etc": "directory"})
    with pytest.raises(MountRefused, match="cannot be followed"):
        planned(host, mount(b"/data"), mount(b"/data/s/x", b"/job/dir/v1"))


def test_a_crowded_directory_is_not_rebuilt() -> None:
    crowd = {b"/home/%d" % number: "directory" for number in range(2001)}
    with pytest.raises(MountRefused, match="too much"):
        planned(FakeHost({**VOLUMES, b"/home": "directory", **crowd}), mount(b"/home/x"))


def test_an_optional_mount_that_cannot_be_made_is_left_out() -> None:
    wanted = [Mount(b"/job/dir/f", b"/a", False, is_optional=True), mount(b"/a/b")]
    sandbox = planned(FakeHost({**VOLUMES, b"/a": "directory"}), *wanted)
    assert list(sandbox.mounts) == [b"/a/b"]


names = st.sampled_from([b"a", b"b", b"c"])
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: b"/" + b"/".join(parts))
link_targets = paths | st.lists(names | st.just(b".."), min_size=1, max_size=3).map(b"/".join)
kinds = st.sampled_from(["directory", "directory", "directory", "file"]) | link_targets
targets = st.lists(names, min_size=1, max_size=4).map(lambda parts: b"/" + b"/".join(parts))
sources = st.sampled_from([b"/job/dir/v0", b"/job/dir/v1", b"/job/dir/v1/a", b"/job/dir/f"])
mounts = st.builds(Mount, sources, targets, st.booleans(), st.just(False))


@st.composite
def hosts(draw: st.DrawFn) -> FakeHost:
    """Trees in which everything has a directory as parent."""
    tree: dict[bytes, str | bytes] = dict(VOLUMES)
    for path, kind in sorted(draw(st.dictionaries(paths, kinds, max_size=8)).items()):
        if tree.get(posixpath.dirname(path), "directory" if path.count(b"/") == 1 else None) == "directory":
            tree[path] = kind
    return FakeHost(tree)


@given(host=hosts(), wanted=st.lists(mounts, min_size=1, max_size=3))
def test_every_mount_is_seen_at_its_target_and_nothing_is_made_on_the_node(host: FakeHost, wanted: list[Mount]) -> None:
    before = dict(host.tree)
    try:
        sandbox = planned(host, *wanted)
    except MountRefused:
        event("refused")
        assume(False)
    view = View(host, sandbox.arguments())
    assert [view.follow(item.target) for item in wanted] == [item.source for item in wanted]
    assert all(path in before or path.startswith(DIRECTORY + b"/") for path in host.tree)


@given(host=hosts(), wanted=st.lists(mounts, min_size=1, max_size=3))
def test_all_else_is_seen_as_it_is_on_the_node(host: FakeHost, wanted: list[Mount]) -> None:
    try:
        sandbox = planned(host, *wanted)
    except MountRefused:
        assume(False)
    view = View(host, sandbox.arguments())
    for path, kind in host.tree.items():
        if any(path == place or path.startswith(place + b"/") for place in sandbox.mounts):
            continue
        if view.backing(path) is None:
            assert path in sandbox.rebuilt or view.links.get(path) == kind
        else:
            assert view.backing(path) == path
