"""Raw rows come back as they went."""

from __future__ import annotations

import struct

import hypothesis.strategies as st
from hypothesis import example, given

from sync.wire.short import restored, shortened


def cell(text: bytes | None) -> bytes:
    """One value of a raw row."""
    return b"n" if text is None else b"t" + struct.pack(">I", len(text)) + text


SHORT = st.one_of(st.none(), st.binary(max_size=300).map(lambda text: text.replace(b"\0", b"t")[:255]))


@given(st.lists(SHORT))
@example([b"", b"", b"t", b"", None, b"", b"t" * 116, b"", b"n"])
def test_short_texts_come_back_as_they_went(texts: list[bytes | None]) -> None:
    """Invariant 1."""
    body = b"".join(map(cell, texts))
    short = shortened(body)
    assert (short is None) == (not any(text is not None for text in texts))
    assert short is None or restored(short) == body


@given(st.lists(SHORT), st.integers(256, 70_000))
@example([], 0x7400)
def test_rows_with_a_long_text_stay_as_they_are(texts: list[bytes | None], length: int) -> None:
    assert shortened(b"".join(map(cell, [*texts, b"x" * length]))) is None


@given(st.binary())
def test_whatever_a_peer_sends_stays_bounded(content: bytes) -> None:
    """Invariant 7."""
    assert len(restored(content)) <= 4 * len(content)


@given(st.binary().map(lambda content: content.replace(b"\1", b"t\0\0\0")))
def test_nothing_is_made_shorter_that_would_not_come_back(content: bytes) -> None:
    short = shortened(content)
    assert short is None or restored(short) == content
