"""A client for one call, grpc.health.v1.Health/Check, over HTTP/2 without TLS.

Sources: RFC 9113 (HTTP/2), RFC 7541 (HPACK), gRPC over HTTP2 (PROTOCOL-HTTP2.md), grpc/health/v1/health.proto. Requests
are written without compression of headers; headers and trailers of answers are not decoded: a server that answers
sends its message, one that refuses ends the stream without it.
"""

import socket
import struct
from typing import Callable, NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK = END_STREAM = 0x1
END_HEADERS, PADDED = 0x4, 0x8
MAX_FRAME_BYTES = 1 << 14  # what a peer may send that was told nothing else
MAX_FRAMES = 1000
MAX_MESSAGE_BYTES = 1 << 16
OUR_STREAM = 1


class GrpcFailure(Exception):
    """There is no health status; the text says why."""


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def serving_status(host: str, port: int, service: str, left_s: Callable[[], float]) -> int:
    """The ServingStatus of `service`. Raises GrpcFailure, OSError; socket.timeout when `left_s` has nothing left."""
    with socket.create_connection((host, port), left_s()) as connection:
        connection.sendall(PREFACE + request("%s:%d" % (host, port), service))
        message = b""
        for _ in range(MAX_FRAMES):
            frame = receive_frame(connection, left_s)
            if frame.kind in (SETTINGS, PING) and not frame.flags & ACK:
                connection.sendall(encoded(frame.kind, ACK, 0, frame.payload if frame.kind == PING else b""))
            elif frame.kind == GOAWAY:
                raise GrpcFailure("the server closed the connection")
            elif frame.kind == RST_STREAM and frame.stream == OUR_STREAM:
                raise GrpcFailure("the server reset the call")
            elif frame.kind in (DATA, HEADERS) and frame.stream == OUR_STREAM:
                message += data_of(frame) if frame.kind == DATA else b""
                if is_complete(message):
                    return status_of(message)
                if frame.flags & END_STREAM:
                    raise GrpcFailure("the server knows no health of service %r" % service)
    raise GrpcFailure("the server sends without end")


def request(authority: str, service: str) -> bytes:
    headers = b"\x83\x86" + b"".join(
        (
            b"\x04" + text("/grpc.health.v1.Health/Check"),  # numbers of names: RFC 7541, Appendix A
            b"\x01" + text(authority),
            b"\x0f\x10" + text("application/grpc"),
            b"\x00" + text("te") + text("trailers"),  # codespell:ignore te
            b"\x0f\x2b" + text("kube-probe/1"),
        )
    )
    name = service.encode()
    asked = b"\x0a" + varint(len(name)) + name if name else b""
    message = struct.pack(">BI", 0, len(asked)) + asked
    return (
        encoded(SETTINGS, 0, 0, b"")
        + encoded(HEADERS, END_HEADERS, OUR_STREAM, headers)
        + encoded(DATA, END_STREAM, OUR_STREAM, message)
    )


def encoded(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def text(words: str) -> bytes:
    """A string of HPACK, not Huffman coded (RFC 7541, 5.2)."""
    raw = words.encode()
    return integer(len(raw), 7) + raw


def integer(value: int, prefix_bits: int) -> bytes:
    """RFC 7541, 5.1."""
    limit = (1 << prefix_bits) - 1
    return bytes((value,)) if value < limit else bytes((limit,)) + varint(value - limit)


def varint(value: int) -> bytes:
    """Seven bits in each byte, the low ones first; as Protocol Buffers have it, too."""
    result = b""
    while value >= 0x80:
        result, value = result + bytes((value & 0x7F | 0x80,)), value >> 7
    return result + bytes((value,))


def receive_frame(connection: socket.socket, left_s: Callable[[], float]) -> Frame:
    head = receive(connection, 9, left_s)
    length = int.from_bytes(head[:3], "big")
    if length > MAX_FRAME_BYTES:
        raise GrpcFailure("the server does not speak HTTP/2 without TLS")
    kind, flags, stream = struct.unpack(">BBI", head[3:])
    return Frame(kind, flags, stream & 0x7FFFFFFF, receive(connection, length, left_s))


def receive(connection: socket.socket, size: int, left_s: Callable[[], float]) -> bytes:
    data = b""
    while len(data) < size:
        connection.settimeout(left_s())
        part = connection.recv(size - len(data))
        if not part:
            raise GrpcFailure("the server closed the connection")
        data += part
    return data


def data_of(frame: Frame) -> bytes:
    if not frame.flags & PADDED:
        return frame.payload
    if not frame.payload:
        raise GrpcFailure("the server sent a broken frame")
    return frame.payload[1 : len(frame.payload) - frame.payload[0]]


def is_complete(message: bytes) -> bool:
    """Whether all of a length-prefixed message is there. Raises GrpcFailure for one that cannot be read."""
    if len(message) < 5:
        return False
    is_compressed, length = struct.unpack(">BI", message[:5])
    if is_compressed or length > MAX_MESSAGE_BYTES:
        raise GrpcFailure("the server sent a message that was not asked for")
    return len(message) >= 5 + int(length)


def status_of(message: bytes) -> int:
    """Field 1 of a HealthCheckResponse; 0 (UNKNOWN) when it is left out, as Protocol Buffers do with zeros."""
    body = message[5 : 5 + struct.unpack(">I", message[1:5])[0]]
    if not body:
        return 0
    if len(body) < 2 or body[0] != 0x08:
        raise GrpcFailure("the server sent something else than a health status")
    return body[1] & 0x7F
