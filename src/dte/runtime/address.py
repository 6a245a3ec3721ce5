"""Where a daemon listens or connects: a unix socket or a TCP port."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: Path

    def __str__(self) -> str:
        return f"unix://{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Address = UnixAddress | TcpAddress


def is_on_this_host(address: Address) -> bool:
    """A unix socket or a loopback address: nobody on the network reaches it."""
    return isinstance(address, UnixAddress) or is_loopback(address.host)


def parse_address(text: str, default_port: int | None = None) -> Address:
    """Read `unix:///path`, `http://host[:port]`, `https://host[:port]` or `host:port` (IPv6 in brackets).

    Raises ValueError with what to write instead.
    """
    if text.startswith("unix://"):
        path = text.removeprefix("unix://")
        if not path.startswith("/"):
            raise ValueError("a unix socket is written unix:///absolute/path")
        return UnixAddress(Path(path))
    parts = urlsplit(text if "://" in text else f"//{text}")
    if parts.scheme not in ("", "http", "https") or parts.path not in ("", "/") or parts.query:
        raise ValueError("write host:port, https://host:port or unix:///path")
    port = parts.port if parts.port is not None else default_port  # .port raises ValueError above 65535
    if not parts.hostname or port is None:
        raise ValueError("write host:port, https://host:port or unix:///path")
    return TcpAddress(parts.hostname, port)


def is_loopback(host: str) -> bool:
    """Does only this host reach it?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
