"""The format of segment files."""

from __future__ import annotations

import dataclasses
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import SpoolCorrupt
from sync.model.batch import Encoded
from sync.model.position import POSITION_MAX, Position
from sync.spool.segment import (
    HEAD_BYTES,
    HEADER_BYTES,
    Header,
    build,
    decode_header,
    decode_record,
    encode_header,
    encode_record,
    synced_witness,
)

positions = st.integers(0, POSITION_MAX).map(Position)
counts = st.integers(0, 2**32 - 1)
batches = st.builds(
    Encoded,
    payload=st.binary(max_size=300),
    first=positions,
    position=positions,
    part=counts,
    last=st.booleans(),
    transactions=counts,
    changes=counts,
    bytes_raw=st.integers(0, 2**60),
    committed_at_us=st.integers(-(2**63), 2**63 - 1),
)
headers = st.builds(
    lambda serial, bounds, origin: Header(serial, min(bounds), max(bounds), origin),
    serial=st.integers(1, 10**10 - 1),
    bounds=st.tuples(positions, positions),
    origin=st.text(max_size=100),
)


@given(headers)
def test_a_header_comes_back(header: Header) -> None:
    block = encode_header(header)
    assert len(block) == HEADER_BYTES
    assert decode_header(block, header.name) == header


@given(headers, headers)
def test_names_sort_like_positions_and_serials(one: Header, other: Header) -> None:
    assert (one.name < other.name) == ((one.after, one.serial) < (other.after, other.serial))


@given(headers, st.integers(0, HEADER_BYTES - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_header_is_noticed(header: Header, at: int, mask: int) -> None:
    block = bytearray(encode_header(header))
    block[at] ^= mask
    with pytest.raises(SpoolCorrupt, match=header.name):
        decode_header(bytes(block), header.name)


@pytest.mark.parametrize("size", [0, 7, HEADER_BYTES - 1])
def test_a_short_header_is_noticed(size: int) -> None:
    block = encode_header(Header(1, Position(0), Position(0), "east"))[:size]
    with pytest.raises(SpoolCorrupt, match="no header"):
        decode_header(block, "x")


@given(batches, counts, st.integers(0, 2**40), st.binary(max_size=50))
def test_a_record_comes_back(encoded: Encoded, seed: int, synced_bytes: int, before: bytes) -> None:
    head = encode_record(encoded, seed, synced_bytes)
    assert len(head) == HEAD_BYTES
    record = decode_record(before + head + encoded.payload, len(before), seed)
    assert record is not None
    assert record.synced_bytes == synced_bytes
    assert build(record, encoded.payload) == encoded


@given(batches, st.data())
def test_any_changed_bit_of_a_record_is_noticed(encoded: Encoded, data: st.DataObject) -> None:
    """Invariant 1: a damaged batch is never shipped."""
    block = bytearray(encode_record(encoded, 7, 0) + encoded.payload)
    block[data.draw(st.integers(0, len(block) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    record = decode_record(bytes(block), 0, 7)
    assert record is None or build(record, bytes(block[HEAD_BYTES:])) is None


@given(batches)
def test_a_record_of_another_segment_does_not_check(encoded: Encoded) -> None:
    assert decode_record(encode_record(encoded, 7, 0), 0, 8) is None


@given(st.binary(max_size=HEAD_BYTES * 2), counts)
def test_strange_bytes_are_no_record_and_no_error(block: bytes, seed: int) -> None:
    assert decode_record(block, 0, seed) is None
    assert synced_witness(block, 0, seed) == 0


def test_the_witness_is_found_behind_garbage() -> None:
    encoded = Encoded(b"p", Position(1), Position(1), 0, True, 1, 1, 1, 0)
    heads = [encode_record(dataclasses.replace(encoded, part=n), 7, synced_bytes=n * 10) for n in range(3)]
    assert synced_witness(b"garbage" + heads[2] + b"\xa5Rc\x00 more" + heads[1], 0, 7) == 20
    assert synced_witness(heads[2], 0, 7) == 0, "the record in question is no witness of itself"


@pytest.mark.parametrize(
    "header",
    [
        Header(1, Position(0), Position(0), "x"),
        Header(1, Position(0), Position(2**63), "east"),
        Header(1, Position(9), Position(8), "east"),
    ],
)
def test_a_header_with_a_right_checksum_may_still_be_none(header: Header) -> None:
    """Found by fuzzing: an origin that is no text, and a position that can not be."""
    block = bytearray(encode_header(header))
    if header.origin == "x":
        block[block.index(b"x")] = 0x85
    block[-4:] = zlib.crc32(block[:-4]).to_bytes(4, "little")
    with pytest.raises(SpoolCorrupt, match="is no header"):
        decode_header(bytes(block), "a file")


def test_a_payload_that_is_not_all_there_does_not_check() -> None:
    """Found by fuzzing: the checksum of what is there may be right by chance, and the length is then a promise only."""
    head = encode_record(Encoded(b"p", Position(1), Position(1), 0, True, 1, 1, 1, 0), 7, 0)
    record = decode_record(head, 0, 7)
    assert record is not None
    assert build(record, b"p") is not None
    assert build(record._replace(payload_bytes=1 << 24), b"p") is None
