"""Who makes a request, and for how long that counts."""

import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from dte.interlink.api.caller import caller_of
from dte.interlink.wire import Creator
from dte.runtime import http

NAME = ((("commonName", "vk.vega"),),)


def request_with(certificate: dict[str, Any] | None) -> web.Request:
    """On a connection whose other end has shown that certificate."""
    shown = {"peercert": certificate, "socket": SimpleNamespace(family=0)}
    request = make_mocked_request("GET", "/status", transport=Mock(get_extra_info=shown.get))
    request[http._request_id] = "GetStatus#1"
    return request


def certificate(expires_at: float) -> dict[str, Any]:
    text = time.strftime("%b %d %H:%M:%S %Y GMT", time.gmtime(expires_at))
    return {"issuer": ((("commonName", "ca"),),), "subject": NAME, "notAfter": text}


def test_a_caller_counts_until_its_certificate_ends() -> None:
    expires_at = int(time.time()) + 3600
    caller = caller_of(request_with(certificate(expires_at)))
    assert (caller.creator, caller.expires_at) == (Creator("CN=ca", "CN=vk.vega"), expires_at)


def test_a_connection_that_outlives_its_certificate_is_nobodys() -> None:
    with pytest.raises(web.HTTPUnauthorized) as refused:
        caller_of(request_with(certificate(time.time() - 1)))
    assert refused.value.text == "the client certificate of this connection has expired; connect again"


def test_a_connection_without_a_certificate_is_nobodys() -> None:
    with pytest.raises(web.HTTPUnauthorized):
        caller_of(request_with(None))
