"""No byte is lost, doubled or put in another order where a reader begins to be handed what comes."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.transport.inbox import Inbox

PIECES = st.lists(st.binary(min_size=1, max_size=5), max_size=6)


def taken(before: list[bytes], after: list[bytes], *, ends: str) -> tuple[bytes, list[bytes]]:
    """What was read in the old way (one piece), and what was handed on."""

    async def story() -> tuple[bytes, list[bytes]]:
        inbox, handed = Inbox(), list[bytes]()
        for piece in before:
            inbox.feed_data(piece)
        if ends == "before":
            inbox.feed_eof()
        read = await inbox.read(3) if before else b""
        await inbox.hand_to(handed.append, lambda error: pytest.fail(str(error)))
        for piece in after:
            inbox.feed_data(piece)
        if ends == "after":
            inbox.feed_eof()
        return read, handed

    return asyncio.run(story())


@given(PIECES, PIECES)
def test_everything_comes_once_and_in_order_and_then_the_end(before: list[bytes], after: list[bytes]) -> None:
    read, handed = taken(before, after, ends="after")
    assert read + b"".join(handed) == b"".join(before + after)
    assert handed[-1] == b""
    assert handed.count(b"") == 1


@given(PIECES)
def test_an_end_that_came_before_is_handed_on_last(before: list[bytes]) -> None:
    read, handed = taken(before, [], ends="before")
    assert read + b"".join(handed) == b"".join(before)
    assert handed[-1] == b""
    assert handed.count(b"") == 1


@pytest.mark.parametrize("early", [True, False])
def test_a_broken_connection_is_told_once(early: bool) -> None:
    async def story() -> None:
        inbox, lost = Inbox(), list[Exception]()
        broken = ConnectionResetError("reset")
        if early:
            inbox.set_exception(broken)
        await inbox.hand_to(lambda piece: pytest.fail(repr(piece)), lost.append)
        if not early:
            inbox.set_exception(broken)
        assert lost == [broken]

    asyncio.run(story())
