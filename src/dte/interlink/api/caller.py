"""Who makes a request: from the connection, never from what a body says."""

import socket
import struct
import time
from dataclasses import dataclass

from aiohttp import web

from dte.interlink.wire import (
    CREATOR_HEADER,
    NODE_HEADER,
    OWNER_HEADER,
    SESSION_HEADER,
    Creator,
    encode_creator,
)
from dte.runtime.errors import Malformed
from dte.runtime.http import request_id
from dte.runtime.tls import peer_expires_at, peer_identity

UNIX_ISSUER = "unix"
MAX_HEADER_LENGTH = 512
"""An owner id is a UUID, a slash and a node name of at most 253 characters."""

_CREDENTIALS = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose pods a request may see, and what the sidecar is told of it."""

    creator: Creator
    owner: str
    node: str
    """The virtual node; empty when the caller did not say."""
    session: str
    expires_at: float | None = None
    """Unix seconds after which the credential counts no longer; None for one without end."""

    def headers(self) -> dict[str, str]:
        """What goes to the sidecar with each call."""
        headers = {
            CREATOR_HEADER: encode_creator(self.creator),
            OWNER_HEADER: self.owner,
            SESSION_HEADER: self.session,
            "Content-Type": "application/json",
        }
        return {**headers, NODE_HEADER: self.node} if self.node else headers


def caller_of(request: web.Request) -> Caller:
    """Raises 401 when the connection does not say who it is, Malformed for a header that cannot be an id."""
    creator = _creator(request)
    if creator is None:
        raise web.HTTPUnauthorized(text="this port needs a client certificate")
    return Caller(
        creator=creator,
        owner=_header(request, OWNER_HEADER) or default_owner(creator),
        node=_header(request, NODE_HEADER),
        session=_as_header(request_id(request)),
        expires_at=_expires_at(request),
    )


def _expires_at(request: web.Request) -> float | None:
    """Raises 401 for a certificate that has expired since its connection began."""
    expires_at = peer_expires_at(request)
    if expires_at is not None and expires_at <= time.time():
        raise web.HTTPUnauthorized(text="the client certificate of this connection has expired; connect again")
    return expires_at


def default_owner(creator: Creator) -> str:
    """The owner id of a caller that names none: upstream's virtual kubelet."""
    return _as_header(creator.subject)


def _creator(request: web.Request) -> Creator | None:
    identity = peer_identity(request)
    if identity is not None:
        return Creator(identity.issuer, identity.subject)
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Creator(UNIX_ISSUER, f"uid:{uid}")


def _header(request: web.Request, name: str) -> str:
    value = request.headers.get(name, "")
    if len(value) > MAX_HEADER_LENGTH or not (value.isascii() and value.isprintable()):
        raise Malformed(f"header {name} must be at most {MAX_HEADER_LENGTH} printable ASCII characters")
    return value


def _as_header(text: str) -> str:
    """Printable ASCII, one text to one text: a subject may hold any letter, and a line break too."""
    return text.encode("unicode_escape").decode()
