"""A look at a directory or a socket as the account that starts this file: `python -I probe.py directory PATH [FILE]`.

Its own process, so that a file system that hangs holds nobody but it, and root need not be trusted by a file server.
Standard library only: it is started as a file, wherever `dte` lies.
"""

import contextlib
import json
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

MAX_FILE_BYTES = 65536
CONNECT_LIMIT_S = 5.0


def look_at_directory(path: str, name: str = "") -> dict[str, object]:
    """Facts of a directory, of a write into it, and the content of the file `name` in it. Raises OSError."""
    directory = Path(path)
    facts, space = directory.stat(), os.statvfs(directory)
    found: dict[str, object] = {
        "is_directory": directory.is_dir(),
        "uid": facts.st_uid,
        "mode": facts.st_mode & 0o7777,
        "free_bytes": space.f_bavail * space.f_frsize,
        "total_bytes": space.f_blocks * space.f_frsize,
        "free_inodes": space.f_favail,
        "total_inodes": space.f_files,
        "write_error": "",
        "offset_s": None,
        "content": None,
    }
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
            found["offset_s"] = time.time() - os.fstat(file.fileno()).st_mtime
    except OSError as error:
        found["write_error"] = error.strerror
    if name:
        with contextlib.suppress(FileNotFoundError), (directory / name).open("rb") as file:
            found["content"] = file.read(MAX_FILE_BYTES).decode("utf-8", "replace")
    return found


def look_at_socket(path: str) -> dict[str, object]:
    """Nothing when the account may connect. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_LIMIT_S)
        connection.connect(path)
    return {}


def main() -> None:
    what, *arguments = sys.argv[1:]
    try:
        found = look_at_socket(*arguments) if what == "socket" else look_at_directory(*arguments)
    except OSError as error:
        found = {"error": error.strerror or str(error)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
