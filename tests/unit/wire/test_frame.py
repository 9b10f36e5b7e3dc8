"""Frames: every cut of the stream gives the same frames, and nothing too long is stored (invariant 7, bounded)."""

from __future__ import annotations

import struct
import tracemalloc
from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import ProtocolError
from sync.wire.frame import HEADER_BYTES, Frame, FrameDecoder, FrameLimit, encode_frame

LIMITS = {1: FrameLimit(1000), 4: FrameLimit(1000, 1 << 20)}
FRAMES = st.one_of(
    st.builds(Frame, st.just(1), st.binary(max_size=60)),
    st.builds(Frame, st.just(4), st.binary(max_size=60), st.binary(max_size=60).map(lambda some: some * 300)),
)


def stream_of(frames: list[Frame]) -> bytes:
    return b"".join(piece for frame in frames for piece in encode_frame(frame.kind, frame.head, frame.payload))


@given(st.lists(FRAMES, max_size=5), st.data())
def test_any_cut_gives_the_same_frames(frames: list[Frame], data: st.DataObject) -> None:
    stream = stream_of(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = FrameDecoder(LIMITS)
    got = [frame for start, end in pairwise([0, *cuts, len(stream)]) for frame in decoder.receive(stream[start:end])]
    assert got == frames
    assert decoder.idle


def test_single_bytes() -> None:
    frames = [Frame(4, b"head", b"payload" * 2000), Frame(1, b""), Frame(4, b"h", b"")]
    decoder = FrameDecoder(LIMITS)
    assert [frame for byte in stream_of(frames) for frame in decoder.receive(bytes([byte]))] == frames


def test_a_frame_in_the_middle_is_not_idle() -> None:
    stream = stream_of([Frame(1, b"head")])
    for end in range(1, len(stream)):
        decoder = FrameDecoder(LIMITS)
        decoder.receive(stream[:end])
        assert not decoder.idle


def test_the_payload_is_passed_on_as_it_is() -> None:
    payload = bytes(1 << 20)
    assert encode_frame(4, b"h", payload)[1] is payload


def test_the_layout_of_the_document() -> None:
    start = b"AS" + bytes([4, 0]) + struct.pack(">II", 4, 3)
    expected = start + struct.pack(">I", crc32(start + b"head" + b"abc")) + b"head" + b"abc"
    assert b"".join(encode_frame(4, b"head", b"abc")) == expected
    assert len(expected) == HEADER_BYTES + 7


@pytest.mark.parametrize("index", range(HEADER_BYTES + 7))
def test_a_flipped_bit_anywhere_is_noticed(index: int) -> None:
    stream = bytearray(stream_of([Frame(4, b"head", b"abc"), Frame(1, b"x" * 900)]))
    stream[index] ^= 0x10
    with pytest.raises(ProtocolError):
        # A longer length is only noticed when the rest came.
        FrameDecoder(LIMITS).receive(bytes(stream) + bytes(2 << 20))


@pytest.mark.parametrize(
    ("kind", "head", "payload"), [(1, 1001, 0), (1, 0, 1), (4, 0, (1 << 20) + 1), (4, 2**32 - 1, 0)]
)
def test_a_frame_beyond_its_limit_is_refused_at_its_header(kind: int, head: int, payload: int) -> None:
    header = struct.pack(">2sBBIII", b"AS", kind, 0, head, payload, 0)
    with pytest.raises(ProtocolError, match="more than"):
        FrameDecoder(LIMITS).receive(header)


@pytest.mark.parametrize("header", [b"GET / HTTP/1.1\r\n", b"AS\x02" + bytes(13), b"AS\x01\x01" + bytes(12)])
def test_unknown_starts_are_refused(header: bytes) -> None:
    with pytest.raises(ProtocolError):
        FrameDecoder(LIMITS).receive(header)


@pytest.mark.parametrize("piece_bytes", [1, 4095, 4096, 70_000])
def test_an_unfinished_frame_costs_little_more_than_its_bytes(piece_bytes: int) -> None:
    decoder = FrameDecoder(LIMITS)
    stream = stream_of([Frame(4, b"", bytes(1 << 20))])[:600_000]
    tracemalloc.start()
    try:
        for start in range(0, len(stream), piece_bytes):
            decoder.receive(bytes(bytearray(stream[start : start + piece_bytes])))
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 700_000
    assert peak < 1_000_000
