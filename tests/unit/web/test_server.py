"""Uvicorn under our own service: ready, drained, and on systemd's sockets, as a real process."""

import os
import signal
import socket
import textwrap
import threading
from pathlib import Path

from tests.unit.runtime.test_service import LIMIT_S, daemon, get, wait_until

PROGRAM = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from fastapi import FastAPI
    from dte.runtime import daemon_cli
    from dte.runtime.address import UnixAddress
    from dte.runtime.service import Daemon, Listener, serve
    from dte.runtime.settings import AdminSettings
    from dte.runtime.web import UvicornServer, in_shell

    base = Path(sys.argv[1])
    app = FastAPI()

    @app.get("/slow")
    async def slow():
        (base / "started").touch()
        await asyncio.sleep(0.5)
        return "done"

    async def main():
        await serve(Daemon(
            name="demo", listeners=[Listener(UvicornServer(in_shell(app)), UnixAddress(base / "service.sock"))],
            admin=AdminSettings(listen=f"unix://{base}/admin.sock"), reload=lambda: (base / "reloaded").touch(),
            stop_timeout_s=10))

    daemon_cli.run(main)
    """
)


def test_uvicorn_lives_as_every_daemon_does(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as passed, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(LIMIT_S)
        passed.bind(str(tmp_path / "service.sock"))
        passed.listen()

        def hand_over() -> None:
            os.dup2(passed.fileno(), 3)
            os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), NOTIFY_SOCKET=str(tmp_path / "notify"))

        with daemon(tmp_path, PROGRAM, preexec_fn=hand_over, pass_fds=(3,)) as process:
            assert notify.recv(100) == b"READY=1"
            assert get(tmp_path / "admin.sock", "/readyz") == (200, "ok\n")
            process.send_signal(signal.SIGHUP)
            answers: list[tuple[int, str]] = []
            asking = threading.Thread(target=lambda: answers.append(get(tmp_path / "service.sock", "/slow")))
            asking.start()
            wait_until((tmp_path / "started").exists, "the request")
            process.send_signal(signal.SIGTERM)
            assert notify.recv(100) == b"STOPPING=1"
            asking.join(LIMIT_S)
            assert answers == [(200, '"done"')]
            assert process.wait(LIMIT_S) == 0
            assert (tmp_path / "reloaded").exists()
