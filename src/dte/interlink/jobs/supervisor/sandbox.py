"""Where a container sees its volumes: the plan of its mounts. Pure, but for what `HostFiles` looks at."""

import os
import stat
from typing import Dict, Iterable, List, NamedTuple, Optional, Set, Tuple


class MountRefused(Exception):
    """This mount cannot be made; the text is for the pod's author."""


class Mount(NamedTuple):
    """A thing in the job directory, or elsewhere on the node, to be seen at `target` in the container.

    Both paths are absolute.
    """

    source: bytes
    target: bytes
    read_only: bool
    is_optional: bool = False
    """Left out where it cannot be made."""
    is_device: bool = False


class MountPoint(NamedTuple):
    """Something to make inside a volume before another volume can be mounted there."""

    path: bytes
    is_directory: bool


class HostFiles:
    """What mount planning asks about the compute node's file system. Raises OSError where it may not look."""

    def __init__(self, root: bytes = b"") -> None:
        """`root` is put in front of all paths: another process may see other mounts (/proc/PID/root)."""
        self.root = root

    def kind(self, path: bytes) -> Optional[str]:
        """One of "directory", "link" and "file" (all else); None when there is nothing."""
        try:
            mode = os.lstat(self.root + path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        return "directory" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "file"

    def link_target(self, path: bytes) -> bytes:
        return os.readlink(self.root + path)

    def children(self, path: bytes) -> List[bytes]:
        return sorted(os.listdir(self.root + path))

    def is_scratch(self, path: bytes) -> bool:
        """A directory as /tmp, where everybody may write."""
        return os.stat(self.root + path).st_mode & 0o1002 == 0o1002


class Sandbox:
    """The file system of one container: the node's own, with the pod's mounts in it.

    A mount point that the node lacks is made without touching the node: its deepest existing ancestor becomes a tmpfs
    into which all that is in that directory is bound back. The tmpfs is read-only, so that a program which means to
    write to the node's directory fails instead of losing its results, unless it is one as /tmp.
    """

    MAX_CHILDREN = 2000
    MAX_LINKS = 40
    UNCHANGEABLE = (b"/proc", b"/sys")

    def __init__(self, look: HostFiles, directory: bytes) -> None:
        self.look = look
        self.directory = directory
        self.mounts: Dict[bytes, Mount] = {}
        self.links: Set[bytes] = set()
        self.rebuilt: Set[bytes] = set()
        self.mount_points: List[MountPoint] = []

    def add(self, mount: Mount) -> None:
        """Plan one mount; shorter targets must come first. Raises MountRefused, OSError."""
        source_kind = self.source_kind(mount.source)
        found, missing = self.resolve(target_parts(mount.target))
        place = join(found, *missing)
        if place == b"/":
            raise MountRefused("a volume cannot be mounted over /")
        if place in self.mounts or any(is_inside(other, place) for other in (*self.mounts, *self.links)):
            raise MountRefused("a mount at %s would hide another one" % shown(mount.target))
        if missing:
            self.make_room(found, missing, source_kind)
        elif (self.kind(found) == "directory") != (source_kind == "directory"):
            raise MountRefused(
                "%s is a %s on this node, the volume a %s" % (shown(mount.target), self.kind(found), source_kind)
            )
        self.mounts[place] = mount

    def source_kind(self, source: bytes) -> str:
        """Kind of a source. There must be no link on the way to it from the job directory, or else from the root."""
        path = self.directory if is_inside(source, self.directory) else b"/"
        kind: Optional[str] = "directory"
        for part in [part for part in source[len(path) :].split(b"/") if part]:
            path, kind = join(path, part), self.look.kind(join(path, part)) if kind == "directory" else None
        if kind not in ("directory", "file"):
            raise MountRefused("the volume's %s is gone, or a link is in its place" % shown(source))
        return str(kind)

    def resolve(self, parts: List[bytes]) -> Tuple[bytes, List[bytes]]:
        """The deepest place that exists on the way to a target, free of links, and what is missing behind it."""
        here, links = b"/", 0
        while parts:
            candidate = join(here, parts[0])
            kind = self.kind(candidate)
            if kind is None:
                if b".." in parts:
                    raise MountRefused("a link on the way leads nowhere: %s" % shown(candidate))
                return here, [part for part in parts if part not in (b"", b".")]
            if kind == "link":
                links += 1
                if links > self.MAX_LINKS or self.volume_at(candidate) is not None:
                    raise MountRefused("%s is a link that cannot be followed" % shown(candidate))
                self.links.add(candidate)
                target = self.look.link_target(candidate)
                here = b"/" if target.startswith(b"/") else here
                here, parts = self.step(here, target.split(b"/") + parts[1:])
                continue
            here, parts = self.step(candidate, parts[1:])
        return here, parts

    @staticmethod
    def step(here: bytes, parts: List[bytes]) -> Tuple[bytes, List[bytes]]:
        """Take leading empty, "." and ".." components, which only links have."""
        while parts and parts[0] in (b"", b".", b".."):
            here = os.path.dirname(here) if parts[0] == b".." else here
            parts = parts[1:]
        return here, parts

    def kind(self, place: bytes) -> Optional[str]:
        return self.look.kind(self.backing(place)) or ("directory" if self.is_made(place) else None)

    def is_made(self, place: bytes) -> bool:
        """On the way to a mount that is planned already."""
        return any(is_inside(other, place) for other in self.mounts)

    def volume_at(self, place: bytes) -> Optional[bytes]:
        """The innermost mount in which `place` lies, if any."""
        holders = [other for other in self.mounts if place == other or is_inside(place, other)]
        return max(holders, key=len) if holders else None

    def backing(self, place: bytes) -> bytes:
        """Where on the node that is found which the container will see at `place`."""
        holder = self.volume_at(place)
        return place if holder is None else self.mounts[holder].source + place[len(holder) :]

    def make_room(self, found: bytes, missing: List[bytes], source_kind: str) -> None:
        if self.kind(found) != "directory":
            raise MountRefused("%s is not a directory" % shown(found))
        if self.volume_at(found) is not None:
            backing = self.backing(found)
            for count in range(1, len(missing) + 1):
                is_directory = count < len(missing) or source_kind == "directory"
                self.mount_points.append(MountPoint(join(backing, *missing[:count]), is_directory))
            return
        if self.look.kind(found) is None:
            return  # made for another mount, so it is in a tmpfs
        if any(found == fixed or is_inside(found, fixed) for fixed in self.UNCHANGEABLE):
            raise MountRefused("no mount point can be made in %s" % shown(found))
        if len(self.look.children(found)) > self.MAX_CHILDREN:
            raise MountRefused("%s holds too much for a mount point to be made in it" % shown(found))
        self.rebuilt.add(found)

    def arguments(self) -> List[bytes]:
        """bubblewrap's, up to the program."""
        result = [] if b"/" in self.rebuilt else [b"--dev-bind", b"/", b"/"]
        for place in sorted(self.rebuilt, key=depth):
            result += [] if place == b"/" else [b"--tmpfs", place]
            for name in self.look.children(place):
                result += self.bound_back(join(place, name))
        for place, mount in self.mounts.items():
            bind = b"--dev-bind" if mount.is_device else b"--ro-bind" if mount.read_only else b"--bind"
            result += [bind, mount.source, place]
        for place in sorted(self.rebuilt, key=depth):
            result += [] if self.look.is_scratch(place) else [b"--remount-ro", place]
        return result

    def bound_back(self, path: bytes) -> List[bytes]:
        """The same thing at its place in a new tmpfs; what may not be looked at (another user's FUSE) is left out."""
        try:
            if self.look.kind(path) == "link":
                return [b"--symlink", self.look.link_target(path), path]
        except OSError:
            return []
        return [b"--dev-bind-try", path, path]


def plan_sandbox(mounts: Iterable[Mount], look: HostFiles, directory: bytes) -> Sandbox:
    """Plan all mounts of a container; sources lie in `directory`. Raises MountRefused."""
    sandbox = Sandbox(look, directory)
    for mount in sorted(mounts, key=lambda mount: (mount.is_optional, depth(mount.target))):
        try:
            sandbox.add(mount)
        except MountRefused:
            if not mount.is_optional:
                raise
        except OSError as error:
            if not mount.is_optional:
                raise MountRefused("mount at %s: %s" % (shown(mount.target), error)) from error
    return sandbox


def target_parts(target: bytes) -> List[bytes]:
    parts = [part for part in target.split(b"/") if part not in (b"", b".")]
    if not target.startswith(b"/") or b".." in parts:
        raise MountRefused("a mount path must be absolute and without ..: %s" % shown(target))
    return parts


def join(start: bytes, *parts: bytes) -> bytes:
    return start.rstrip(b"/") + b"/" + b"/".join(parts) if parts else start


def is_inside(path: bytes, directory: bytes) -> bool:
    return path != directory and path.startswith(directory.rstrip(b"/") + b"/")


def depth(path: bytes) -> int:
    return len([part for part in path.split(b"/") if part])


def shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def make_mount_point(point: MountPoint, root: bytes = b"") -> None:
    """In the file system that is seen at `root`."""
    path = root + point.path
    if point.is_directory:
        os.makedirs(path, mode=0o755, exist_ok=True)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644))
