"""Chains of any shape come out as they went in, and what does not add up is refused, never guessed (7)."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drda.framing import OBJECT, REPLY, Ddm, Malformed, Part, message, parse, read_chain, write_chain

# Both sides of where an object gets a long length, and a structure goes on in segments.
EDGES = [0x7FFF - 10, 0x7FFF - 9, 0x7FFF - 4, 0x7FFF - 3, 0x7FFF, 2 * 0x7FFF - 12, 2 * 0x7FFF - 11, 120_000]
bodies = st.binary(max_size=40)


def reader(block: bytes) -> Callable[[int], bytes]:
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        assert at + size <= len(block), "asked for more than was sent"
        at += size
        return block[at - size : at]

    return read


def as_request(block: bytes) -> bytes:
    """The same chain with its first structure as a request, which answers are not."""
    return block[:3] + bytes((block[3] & 0xF0 | 1,)) + block[4:]


@pytest.mark.parametrize("size", EDGES)
def test_an_object_of_any_length_comes_back(size: int) -> None:
    ddm = Ddm(0x146C, bytes(range(256)) * (size // 256) + bytes(size % 256))
    assert list(parse(ddm.encoded())) == [ddm]
    block = as_request(write_chain([(1, message(0x200B)), (1, Part(OBJECT, ddm))]))
    (command,) = read_chain(reader(block))
    assert command.objects == [ddm]


@given(st.lists(bodies, min_size=1, max_size=6))
def test_a_chain_keeps_its_order_and_its_objects(given_bodies: list[bytes]) -> None:
    objects = [Ddm(index + 1, body) for index, body in enumerate(given_bodies)]
    block = write_chain([(7, message(0x2001)), *((7, Part(OBJECT, ddm)) for ddm in objects)])
    (command,) = read_chain(reader(as_request(block)))
    assert (command.correlation, command.ddm, command.objects) == (7, Ddm(0x2001), objects)


@given(st.binary(max_size=64))
def test_what_is_no_object_is_malformed(block: bytes) -> None:
    try:
        found = list(parse(block))
    except Malformed:
        return
    assert sum(len(ddm.encoded()) for ddm in found) <= len(block)


def test_an_object_longer_than_its_block_is_malformed() -> None:
    with pytest.raises(Malformed, match="146C of 6 bytes"):
        list(parse(pack(">HH", 10, 0x146C) + b"short"))


def test_an_object_without_its_request_is_malformed() -> None:
    with pytest.raises(Malformed, match="belongs to no request"):
        read_chain(reader(write_chain([(1, Part(OBJECT, Ddm(0x2412)))])))


def test_another_protocol_is_malformed() -> None:
    with pytest.raises(Malformed, match="begins with 20"):
        read_chain(reader(b"GE / HTTP/1.1"))


def test_the_last_answer_ends_the_chain() -> None:
    first, last = message(0x2218), Part(REPLY, Ddm(0x2408, b"\xff"))
    assert write_chain([(1, first), (1, first), (2, last)]).hex() == (
        "000ad05200010004 2218 000ad04200010004 2218 000bd0020002 0005 2408 ff".replace(" ", "")
    )
