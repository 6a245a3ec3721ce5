"""Listening sockets: inherited from systemd, or our own."""

import contextlib
import os
import socket
import stat
from collections.abc import Mapping

from dte.runtime.address import Address, TcpAddress, UnixAddress
from dte.runtime.errors import ConfigError

BACKLOG = 512
FIRST_INHERITED_FD = 3
"""sd_listen_fds(3): passed descriptors begin at 3."""


def inherited_sockets(environ: Mapping[str, str], pid: int) -> list[socket.socket]:
    """The sockets that systemd's socket unit hands over (sd_listen_fds(3)); empty when there is none."""
    if environ.get("LISTEN_PID") != str(pid):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    inherited = [socket.socket(fileno=fd) for fd in range(FIRST_INHERITED_FD, FIRST_INHERITED_FD + count)]
    for item in inherited:
        item.setblocking(False)
        item.set_inheritable(False)
    return inherited


def take_inherited(inherited: list[socket.socket], address: Address) -> socket.socket | None:
    """Remove and return the inherited socket that is bound to `address`."""
    for item in inherited:
        if _is_bound_to(item, address):
            inherited.remove(item)
            return item
    return None


def _is_bound_to(item: socket.socket, address: Address) -> bool:
    name = item.getsockname()
    if isinstance(address, UnixAddress):
        return item.family == socket.AF_UNIX and name == str(address.path)
    return item.family in (socket.AF_INET, socket.AF_INET6) and name[1] == address.port


def bind(address: Address) -> socket.socket:
    """Bind and listen. Raises ConfigError when the address is taken or not ours."""
    try:
        return _bind_unix(address) if isinstance(address, UnixAddress) else _bind_tcp(address)
    except OSError as error:
        raise ConfigError([f"cannot listen on {address}: {error.strerror or error}"]) from error


def _bind_tcp(address: TcpAddress) -> socket.socket:
    family, _, _, _, name = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(name)
    listener.listen(BACKLOG)
    return listener


def _bind_unix(address: UnixAddress) -> socket.socket:
    _remove_stale(address)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    listener.bind(str(address.path))
    address.path.chmod(0o660)
    listener.listen(BACKLOG)
    return listener


def _remove_stale(address: UnixAddress) -> None:
    """Remove a socket file that nobody listens on; one in use makes bind fail, as it should."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(address.path.lstat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(address.path)) != 0:
                address.path.unlink()


def notify_systemd(state: str) -> None:
    """Send a line such as `READY=1` to the service manager (sd_notify(3)); nothing without one."""
    target = os.environ.get("NOTIFY_SOCKET")
    if not target:
        return
    name = "\0" + target[1:] if target.startswith("@") else target
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), name)
