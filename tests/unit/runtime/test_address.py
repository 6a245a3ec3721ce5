"""Addresses as users write them."""

from pathlib import Path

import pytest

from dte.runtime.address import TcpAddress, UnixAddress, parse_address


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
