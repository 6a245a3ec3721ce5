"""Paths of the node that a pod mounts (hostPath): looked at, and made where the pod says so."""

import os
import stat
from typing import Any, Dict, NamedTuple

from .sandbox import MountRefused, is_inside, join, shown

MAKES_DIRECTORY = ("", "DirectoryOrCreate")
MAKES_FILE = ("FileOrCreate",)
EXPECTED = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


class NodePath(NamedTuple):
    """Where it really is, free of links."""

    path: bytes
    is_device: bool


def node_path(host: Dict[str, Any], part: str) -> NodePath:
    """The path `host`, of it the part `part` (empty: all). Raises MountRefused, OSError."""
    path: str = host["path"]
    real = os.path.realpath(path.encode())
    prefixes = [os.path.realpath(prefix.encode()) for prefix in host["allowed"]]
    if not any(real == prefix or is_inside(real, prefix) for prefix in prefixes):
        raise MountRefused("hostPath %s leads to %s, which is not allowed at this site" % (path, shown(real)))
    make(real, host["type"])
    check(path, real, host["type"])
    if part:
        whole, real = real, os.path.realpath(join(real, part.encode()))
        if not is_inside(real, whole):
            raise MountRefused("subPath %s leads out of hostPath %s" % (part, path))
        if not os.path.lexists(real):
            os.makedirs(real, mode=0o755)
    mode = os.lstat(real).st_mode
    return NodePath(real, stat.S_ISCHR(mode) or stat.S_ISBLK(mode))


def make(path: bytes, kind: str) -> None:
    if os.path.lexists(path):
        return
    if kind in MAKES_DIRECTORY:
        os.makedirs(path, mode=0o755)
    elif kind in MAKES_FILE:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def check(path: str, real: bytes, kind: str) -> None:
    try:
        mode = os.lstat(real).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise MountRefused("hostPath %s does not exist on this node" % path) from None
    if kind in EXPECTED and not EXPECTED[kind][0](mode):
        raise MountRefused("hostPath %s is not %s on this node" % (path, EXPECTED[kind][1]))
