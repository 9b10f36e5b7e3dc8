"""Addresses are read as people write them, and whatever else comes is refused with a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.ops.address import is_loopback, parse_address, show_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.2:7443", "10.0.0.2", 7443),
        ("cms-west.example:1", "cms-west.example", 1),
        ("localhost:65535", "localhost", 65535),
        ("[::1]:7443", "::1", 7443),
        ("[fd00:0:0::2]:7443", "fd00::2", 7443),
    ],
)
def test_good_addresses(text: str, host: str, port: int) -> None:
    assert parse_address(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", ":", "a", "a:", ":1", "a:b", "a:0", "a:65536", "::1:7443", "[::1]", "[::g]:1", "[a]:1", "a b:1", "1.2.3:4",
     "1.2.3.256:4", "a:٣", "a:-1", "a:+1", "a:1e3", "-a:1", "http://a:1", "a:999999999999999999999"],
)  # fmt: skip
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_address(text)


@given(st.text(alphabet="[]:.-_a1 9\x00é", max_size=20) | st.text(max_size=20))
def test_whatever_is_accepted_is_shown_as_it_is_read(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(show_address(*address)) == address


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("db", False)]
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
