"""Which file system a path lies on, from /proc/self/mountinfo (proc(5))."""

import re
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system_type(path: Path) -> str:
    """The type as mount(8) names it: `ext4`, `nfs4`, `fuse.sshfs`; empty when it cannot be told.

    Blocks where the file system hangs. Raises OSError when there is no `path`.
    """
    return type_in(MOUNTINFO.read_text(errors="replace"), path.resolve(strict=True))


def type_in(mountinfo: str, path: Path) -> str:
    """The same from the file's text, for a path without links. Of two mounts at one place the later hides the other."""
    best, found = -1, ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, after_fields = before.split(" "), after.split(" ")
        if len(fields) < 5 or not after_fields[0]:
            continue
        mount_point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        depth = len(mount_point.parts)
        if depth >= best and path.is_relative_to(mount_point):
            best, found = depth, after_fields[0]
    return found
