"""Files of the job directory, and lines for the site's staff."""

import contextlib
import os
import time
from typing import Optional


def say(text: str) -> None:
    """A line for job.out, which the site's staff reads."""
    print("supervisor: " + text, flush=True)  # noqa: T201 - there is no logging library on a compute node


def write_whole(path: str, data: bytes) -> None:
    """A reader, or a crash, meets the old content of `path` or `data`, whole. Raises OSError."""
    temporary = "%s.%d.tmp" % (path, os.getpid())
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def replace_file(path: str, data: bytes) -> None:
    """As write_whole, for what nobody misses after a crash of the node."""
    temporary = "%s.%d.tmp" % (path, os.getpid())
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def claim(directory: str, job_id: str) -> str:
    """The id of the job that may run this directory's pod: `job_id` unless another one came first.

    Under the id it already holds, a job that was requeued gets "its" claim again.
    """
    mine, shared = os.path.join(directory, "claim." + job_id), os.path.join(directory, "claim")
    write_whole(mine, (job_id + "\n").encode())
    # NFS says FileExistsError also to a link that it made when its answer got lost: the content decides.
    with contextlib.suppress(FileExistsError):
        os.link(mine, shared)
    with open(shared, "rb") as file:
        return file.read(4096).decode("utf-8", "replace").strip()


def rfc3339(moment: Optional[float]) -> Optional[str]:
    if moment is None:
        return None
    return "%s.%06dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)), int(moment % 1 * 1000000))


def go_time(moment: float) -> bytes:
    """Upstream's layout in its .time files, `2006-01-02 15:04:05.999999999 -0700 MST`."""
    whole = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))
    return ("%s.%06d +0000 UTC" % (whole, int(moment % 1 * 1000000))).encode()
