"""The life of a daemon, as a real process: ready, drained, reloaded, killed by its own dead loop."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from aiohttp import web
    from dte.runtime import daemon_cli
    from dte.runtime.address import UnixAddress
    from dte.runtime.http import application
    from dte.runtime.service import Daemon, Listener, serve
    from dte.runtime.settings import AdminSettings

    base = Path(sys.argv[1])

    async def slow(request):
        (base / "started").touch()
        await asyncio.sleep(1)
        return web.Response(text="done")

    async def loop():
        while not (base / "die").exists():
            await asyncio.sleep(0.05)
        raise RuntimeError("the loop broke")

    async def main():
        app = application()
        app.router.add_get("/slow", slow)
        await serve(Daemon(
            name="demo", listeners=[Listener(app, UnixAddress(base / "service.sock"))],
            admin=AdminSettings(listen=f"unix://{base}/admin.sock"), background={"loop": loop},
            readiness=lambda: None if (base / "ready").exists() else "not yet",
            reload=lambda: (base / "reloaded").touch(), stop_timeout_s=10))

    daemon_cli.run(main)
    """
)
LIMIT_S = 30


def wait_until(condition: object, what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def daemon(base: Path, program: str = PROGRAM, **popen: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", program, str(base)], stderr=subprocess.PIPE, **popen)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def get(path: Path, url: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(connection):
        connection.sock.connect(str(path))
        connection.request("GET", url)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(LIMIT_S)
        yield channel


def test_ready_is_said_when_it_serves_and_a_request_in_flight_is_answered(
    tmp_path: Path, notify: socket.socket
) -> None:
    with daemon(tmp_path, env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}) as process:
        assert notify.recv(100) == b"READY=1"
        answers: list[tuple[int, str]] = []
        asking = threading.Thread(target=lambda: answers.append(get(tmp_path / "service.sock", "/slow")))
        asking.start()
        wait_until((tmp_path / "started").exists, "the request")
        process.send_signal(signal.SIGTERM)
        assert notify.recv(100) == b"STOPPING=1"
        asking.join(LIMIT_S)
        assert answers == [(200, "done")]
        assert process.wait(LIMIT_S) == 0


def test_health_readiness_metrics_and_reload(tmp_path: Path) -> None:
    with daemon(tmp_path) as process:
        admin = tmp_path / "admin.sock"
        wait_until(admin.exists, "the admin socket")
        assert get(admin, "/healthz") == (200, "ok\n")
        assert get(admin, "/readyz") == (503, "not yet\n")
        (tmp_path / "ready").touch()
        assert get(admin, "/readyz") == (200, "ok\n")
        assert "dte_http_requests_total" in get(admin, "/metrics")[1]
        process.send_signal(signal.SIGHUP)
        wait_until((tmp_path / "reloaded").exists, "the reload")


def test_a_daemon_with_nothing_to_reload_survives_a_reload(tmp_path: Path) -> None:
    program = PROGRAM.replace('reload=lambda: (base / "reloaded").touch(), ', "")
    assert program != PROGRAM
    with daemon(tmp_path, program) as process:
        admin = tmp_path / "admin.sock"
        wait_until(lambda: answers(admin), "the admin socket")
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        assert any(b"nothing_to_reload" in line for line in process.stderr)
        assert get(admin, "/healthz")[0] == 200


def test_a_loop_that_dies_takes_the_daemon_down_with_its_traceback(tmp_path: Path) -> None:
    with daemon(tmp_path) as process:
        wait_until((tmp_path / "service.sock").exists, "the socket")
        (tmp_path / "die").touch()
        _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert b"the loop broke" in errors


def test_a_socket_of_systemd_is_used_and_a_stale_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "ready").touch()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "admin.sock"))
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind(str(tmp_path / "service.sock"))
        passed.listen()
        inode = (tmp_path / "service.sock").stat().st_ino

        def hand_over() -> None:
            os.dup2(passed.fileno(), 3)
            os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))

        with daemon(tmp_path, preexec_fn=hand_over, pass_fds=(3,)):
            wait_until(lambda: answers(tmp_path / "admin.sock"), "the admin socket")
            assert get(tmp_path / "service.sock", "/missing")[0] == 404
            assert (tmp_path / "service.sock").stat().st_ino == inode


def answers(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return get(path, "/healthz")[0] == 200
    return False
