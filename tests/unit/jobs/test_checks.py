"""Network checks against servers of this process; gRPC against what a real server sent."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dte.interlink.jobs.supervisor.checks import check

SERVING = bytes.fromhex(
    "000018040000000000000400400000000500400000000600004000fe0300000001000004080000000000003f000100000004"
    "0100000000000004080000000000000000050000080600000000009409e187b4041fa300004e01040000000188400c636f6e"
    "74656e742d74797065106170706c69636174696f6e2f677270634014677270632d6163636570742d656e636f64696e671769"
    "64656e746974792c206465666c6174652c20677a69700000070000000000010000000002080100001e010500000001400b67"
    "7270632d7374617475730130000c677270632d6d65737361676500"
)
"""All that grpcio 1.7x with grpcio-health-checking sent in answer to a Check, byte for byte."""
NOT_SERVING = bytes.fromhex(
    "000018040000000000000400400000000500400000000600004000fe0300000001000004080000000000003f000100000004"
    "01000000000000040800000000000000000b000008060000000000323f25dc5eaca6ec00004e01040000000188400c636f6e"
    "74656e742d74797065106170706c69636174696f6e2f677270634014677270632d6163636570742d656e636f64696e671769"
    "64656e746974792c206465666c6174652c20677a69700000070000000000010000000002080200001e010500000001400b67"
    "7270632d7374617475730130000c677270632d6d65737361676500"
)
WITHOUT_HEALTH = bytes.fromhex(
    "000018040000000000000400400000000500400000000600004000fe0300000001000004080000000000003f000100000004"
    "0100000000000004080000000000000000050000080600000000001b6d6919c421bdd500005001050000000188400c636f6e"
    "74656e742d74797065106170706c69636174696f6e2f67727063400b677270632d737461747573023132000c677270632d6d"
    "657373616765114d6574686f64206e6f7420666f756e6421"
)
"""The same server without the health service: status 12 (UNIMPLEMENTED) in the trailers."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, _, rest = self.path.removeprefix("/").partition("/")
        self.send_response(int(kind))
        if rest:
            self.send_header("Location", rest.replace("{port}", str(self.server.server_port)))  # type: ignore[attr-defined]
        self.end_headers()
        seen.append((self.path, dict(self.headers)))

    def log_message(self, *args: object) -> None:
        pass


seen: list[tuple[str, dict[str, str]]] = []


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        seen.clear()
        yield made
        made.shutdown()


def http(port: int, path: str, **more: Any) -> dict[str, Any]:
    return {"kind": "http", "host": "127.0.0.1", "port": port, "scheme": "HTTP", "path": path, "headers": [], **more}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/200", None),
        ("/204", None),
        ("/399", None),
        ("/400", "HTTP status 400"),
        ("/503", "HTTP status 503"),
        ("/302//500", "HTTP status 500"),
        ("/302/http://127.0.0.1:{port}/200", None),
        ("/302/http://elsewhere.invalid/500", None),
        ("/302//302//200", None),
        ("/301", None),
    ],
)
def test_statuses_below_400_are_success_and_redirects_of_the_host_are_followed(
    server: ThreadingHTTPServer, path: str, answer: str | None
) -> None:
    assert check(http(server.server_port, path), 10) == answer


def test_a_hook_is_content_with_any_answer(server: ThreadingHTTPServer) -> None:
    assert check(http(server.server_port, "/500", any_answer=True), 10) is None


def test_headers_are_sent_and_replace_our_own(server: ThreadingHTTPServer) -> None:
    check(http(server.server_port, "/200", headers=[["Host", "twin.example"], ["Accept", "text/plain"]]), 10)
    headers = seen[0][1]
    assert (headers["Host"], headers["Accept"], headers["User-Agent"]) == ("twin.example", "text/plain", "kube-probe/1")


def test_https_does_not_look_at_the_certificate(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    files = ["-subj", "/CN=somebody", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    assert check(http(server.server_port, "/200", scheme="HTTPS"), 10) is None


def test_what_does_not_answer_in_time_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for action in (http(port, "/200"), {"kind": "grpc", "host": "127.0.0.1", "port": port, "service": ""}):
            assert str(check(action, 0.05)).endswith("timed out after 0.05 s")


def test_a_tcp_check_only_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        action = {"kind": "tcp", "host": "127.0.0.1", "port": listener.getsockname()[1]}
        assert check(action, 10) is None
    assert str(check(action, 10)).endswith("Connection refused")


def test_a_port_that_speaks_something_else_fails_with_words() -> None:
    with Replay(b"SSH-2.0-OpenSSH_9.2\r\n") as port:
        assert "127.0.0.1" in str(check(http(port, "/200"), 10))


def grpc(port: int) -> dict[str, Any]:
    return {"kind": "grpc", "host": "127.0.0.1", "port": port, "service": "twin"}


class Replay:
    """A server that sends the same to everybody, once the client has said something."""

    def __init__(self, answer: bytes) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.answer = answer
        self.heard = b""

    def __enter__(self) -> int:
        threading.Thread(target=self.serve, daemon=True).start()
        return int(self.listener.getsockname()[1])

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection, contextlib.suppress(ConnectionError):
            self.heard = connection.recv(1 << 16)
            connection.sendall(self.answer)
            while connection.recv(1 << 16):
                pass

    def __exit__(self, *_: object) -> None:
        self.listener.close()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (SERVING, None),
        (NOT_SERVING, "gRPC health status NOT_SERVING"),
        (WITHOUT_HEALTH, "the server knows no health of service 'twin'"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the server does not speak HTTP/2 without TLS"),
        (bytes.fromhex("00000403000000000100000008"), "the server reset the call"),
        (bytes.fromhex("0000080700000000000000000000000000"), "the server closed the connection"),
        (bytes.fromhex("00000500000000000100000000"), "timed out"),
    ],
    ids=["serving", "not serving", "no health service", "HTTP/1.1", "reset", "go away", "half a message"],
)
def test_a_grpc_service_is_well_when_it_says_serving(sent: bytes, answer: str | None) -> None:
    with Replay(sent) as port:
        found = check(grpc(port), 0.1 if answer == "timed out" else 10)
    assert found == answer if answer is None else answer in str(found)


def test_the_grpc_request_is_what_that_server_understood() -> None:
    server = Replay(SERVING)
    with server as port:
        check(grpc(port), 10)
    assert server.heard.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"/grpc.health.v1.Health/Check" in server.heard
    assert b"\x00\x00\x00\x00\x06\x0a\x04twin" in server.heard
