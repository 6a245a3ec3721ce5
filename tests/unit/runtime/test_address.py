"""Addresses as users write them."""

from pathlib import Path

import pytest

from dte.runtime.address import TcpAddress, UnixAddress, is_on_this_host, parse_address


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("unix:///run/dte/a.sock", UnixAddress(Path("/run/dte/a.sock"))),
        ("0.0.0.0:443", TcpAddress("0.0.0.0", 443)),
        ("https://edge.example", TcpAddress("edge.example", 3000)),
        ("http://edge.example:1/", TcpAddress("edge.example", 1)),
        ("[::1]:9101", TcpAddress("::1", 9101)),
    ],
)
def test_each_spelling(text: str, wanted: object) -> None:
    assert parse_address(text, 3000) == wanted


@pytest.mark.parametrize("text", ["unix://relative", "ftp://h:1", "h:70000", "", "http://h/path", "h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("unix:///run/dte/a.sock", True),
        ("localhost:1", True),
        ("127.0.0.2:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("192.0.2.1:1", False),
        ("localhost.example:1", False),
    ],
)
def test_what_nobody_on_the_network_reaches(text: str, local: bool) -> None:
    assert is_on_this_host(parse_address(text)) is local
