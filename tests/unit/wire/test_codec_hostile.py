"""A payload from a hostile or broken peer: `ProtocolError`, within the limits, and nothing else."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc

import msgpack
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.errors import ProtocolError
from sync.model.batch import Batch, Chunk, Commit, Purpose
from sync.model.change import ABSENT, Block
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.wire.checks import pack
from sync.wire.codec import Codec, CodecLimits
from sync.wire.columns import NotEncodable
from sync.wire.dictionary import DICTIONARY_V1
from sync.wire.envelope import VERSION
from tests.unit.wire.batches import batches, users

USERS = Codec().encode(users(20)).payload
SHARED = zstandard.ZstdCompressionDict(DICTIONARY_V1, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def wrap(content: bytes) -> bytes:
    """A well-formed envelope around any content."""
    return bytes([VERSION]) + zstandard.ZstdCompressor(level=1, dict_data=SHARED, write_dict_id=False).compress(content)


def content_of(payload: bytes) -> bytearray:
    return bytearray(zstandard.ZstdDecompressor(dict_data=SHARED).decompress(payload[1:]))


def forged(contents: object, body: bytes) -> bytes:
    packed = pack(contents)
    return wrap(struct.pack(">I", len(packed)) + packed + body)


def block(count: int, encodings: bytes, columns: int = 1, first: int | None = 0) -> list[object]:
    names = [[f"c{n}", "any", 0, 0, "", True] for n in range(columns)]
    return [0, pack(["t", [], names]), count, first, encodings]


def contents_with(*blocks_: list[object], transactions: int = 1) -> list[object]:
    return ["o", 1, 0, True, transactions, [], list(blocks_), []]


def commit(end: int) -> bytes:
    return pack([1]) + pack([0]) + pack([end])


def refused_within(payload: bytes, bytes_max: int, codec: Codec | None = None) -> None:
    codec = codec or Codec()
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            codec.decode(payload)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < bytes_max


def test_every_truncation_is_refused() -> None:
    codec = Codec()
    for end in range(len(USERS)):
        with pytest.raises(ProtocolError):
            codec.decode(USERS[:end])


def test_every_truncated_content_is_refused() -> None:
    codec = Codec()
    content = bytes(content_of(USERS))
    for end in range(len(content)):
        with pytest.raises(ProtocolError):
            codec.decode(wrap(content[:end]))


@pytest.mark.parametrize("tail", [b"\0", b"\x28\xb5\x2f\xfd", USERS[1:]])
def test_bytes_after_the_frame_are_refused(tail: bytes) -> None:
    with pytest.raises(ProtocolError):
        Codec().decode(USERS + tail)


def test_bytes_after_the_body_are_refused() -> None:
    with pytest.raises(ProtocolError, match="left over"):
        Codec().decode(wrap(bytes(content_of(USERS)) + b"\xc0"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_payloads_never_crash(data: st.DataObject) -> None:
    mutated = bytearray(USERS)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    codec = Codec()
    for read in (codec.decode, codec.directory):
        with contextlib.suppress(ProtocolError):
            read(bytes(mutated))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches(), st.data())
def test_mutated_contents_never_crash(batch: Batch, data: st.DataObject) -> None:
    """Behind an intact envelope, where the parsers are."""
    codec = Codec(CodecLimits(rows_max=100_000, cells_max=200_000))
    content = content_of(Codec().encode(batch).payload)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    payload = wrap(bytes(content))
    for read in (codec.decode, codec.directory):
        with contextlib.suppress(ProtocolError):
            read(payload)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_never_crashes(noise: bytes) -> None:
    for payload in (noise, bytes([VERSION]) + noise, wrap(noise)):
        with pytest.raises(ProtocolError):
            Codec().decode(payload)


PLAIN_OBJECTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=11) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_object_in_the_place_of_any_other_is_judged(data: st.DataObject) -> None:
    """Replaces one field of well-formed contents by any object."""
    contents = contents_with(block(2, b"\x01"))
    chunk: list[object] = [0, block(0, b"")[1], 1, 2, "compare", None, [5], 1, 1, b"", b"\x01"]
    contents[7] = [chunk]
    place = data.draw(st.sampled_from([contents, contents[6][0], chunk]))  # type: ignore[index]
    place[data.draw(st.integers(0, len(place) - 1))] = data.draw(PLAIN_OBJECTS)
    with contextlib.suppress(ProtocolError):
        Codec().decode(forged(contents, commit(2) + b"\xc4\x01\x01" + b"\x07" + b"\x08"))


def test_the_forgery_used_above_is_well_formed() -> None:
    """So that the tests of this file fail for the reason that they name."""
    batch = Codec().decode(forged(contents_with(block(3, b"\x01")), commit(3) + b"\xc4\x01\x01\x07"))
    assert batch.blocks[0].columns == ([7, 7, 7],)


# Invariant 7 (bounded): a few bytes never claim much memory.


def test_a_bomb_beyond_the_limit_is_refused_unopened() -> None:
    bomb = wrap(bytes(200 << 20))
    assert len(bomb) < 100_000
    refused_within(bomb, 1 << 20)


def test_a_claimed_size_that_so_few_bytes_can_not_hold_is_refused_unopened() -> None:
    claim = bytes([VERSION]) + b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", 60 << 20) + b"\x01\x00\x00"
    refused_within(claim, 100_000)


def test_an_unknown_size_is_refused() -> None:
    compressor = zstandard.ZstdCompressor(write_content_size=False)
    refused_within(bytes([VERSION]) + compressor.compress(bytes(1000)), 100_000)


@pytest.mark.parametrize("encoding", range(8))
def test_a_million_rows_out_of_nothing_are_refused(encoding: int) -> None:
    payload = forged(contents_with(block(10**6, bytes([encoding] * 100), columns=100)), commit(10**6) + b"\xc4\x01\x01")
    refused_within(payload, 4 << 20)


def test_nested_arrays_are_bounded() -> None:
    nested = msgpack.Packer().pack_array_header(1024) * 900
    refused_within(forged(contents_with(block(1024, b"\0")), commit(1024) + b"\xc4\x01\x01" + nested), 24 << 20)
    refused_within(wrap(struct.pack(">I", len(nested)) + nested), 24 << 20)


def test_empty_arrays_as_values_stop_at_the_first_run() -> None:
    """An empty list takes 64 times the byte that claims it."""
    body = (msgpack.Packer().pack_array_header(1024) + b"\x90" * 1024) * 1000
    refused_within(forged(contents_with(block(1_000_000, b"\0")), commit(10**6) + b"\xc4\x01\x01" + body), 8 << 20)


def test_joined_texts_are_counted_before_they_are_split() -> None:
    texts = pack("\0" * 5_000_000)
    payload = forged(contents_with(block(10, b"\x04")), commit(10) + b"\xc4\x01\x01" + texts)
    refused_within(payload, 40 << 20)


@pytest.mark.parametrize(
    ("encodings", "body"),
    [
        (b"\x03", pack(2) + pack([1, 2]) + pack(b"\0\1\2")),  # code outside of the dictionary
        (b"\x03", pack(2) + pack([1, 2]) + pack(b"\0\1")),  # too few codes
        (b"\x03", pack(0) + pack(b"")),
        (b"\x05", pack([2**63, 2**63, 2**63])),  # sums leave 64 bits
        (b"\x05", pack([1, "2", 3])),
        (b"\x06", pack(b"\1\0\2") + pack(1) + pack(7)),  # mask neither yes nor no
        (b"\x06", pack(b"\1\0\1") + pack(6) + pack(b"\1\1") + pack(1) + pack(7)),  # mask inside a mask
        (b"\x04", pack(b"a\0b\0c")),  # bytes, not text
        (b"\x00", pack([1, 2])),
        (b"\x00", pack([1, 2, {}])),
        (b"\x00", b"\x93\x01\x02\xd4\x01\x00"),  # extension type
        (b"\x00", b"\x93\x01\x02\xd6\xff\x00\x00\x00\x00"),  # timestamp
        (b"\x01", pack([])),
        (b"\x07", b""),  # no such encoding
    ],
    ids=str,
)
def test_malformed_columns(encodings: bytes, body: bytes) -> None:
    with pytest.raises(ProtocolError):
        Codec().decode(forged(contents_with(block(3, encodings)), commit(3) + b"\xc4\x01\x01" + body))


@pytest.mark.parametrize(
    ("contents", "body"),
    [
        (contents_with(), pack([-1]) + pack([0]) + pack([0])),  # position below zero
        (contents_with(transactions=2), pack([5, 0]) + pack([0, 0]) + pack([1, 0])),  # the same position twice
        (contents_with(transactions=2), pack([5, 1]) + pack([0, 0]) + pack([1, -1])),  # ends go back
        (contents_with(transactions=1), pack([2**63]) + pack([0]) + pack([0])),
        (["o", 1, 1, True, 2, [], [], []], pack([5, 1]) + pack([0, 0]) + pack([0, 0])),  # a part with two commits
        (contents_with(block(2, b"\x01")), commit(1) + b"\xc4\x01\x01\x07"),  # ordinal behind the end
        (contents_with(block(2, b"\x01", first=None)), commit(9) + b"\xc4\x01\x01" + pack([3, 0]) + b"\x07"),
        (contents_with(block(2, b"\x01")), commit(2) + b"\xc4\x01\x09\x07"),  # no such operation
        (contents_with(block(2, b"\x01")), commit(2) + b"\xc4\x03\x01\x01\x01\x07"),  # three operations for two rows
        (contents_with(block(1, b"\x01"), block(1, b"\x01")), commit(2) + b"\xc4\x01\x01\x07" * 2),  # table twice
    ],
    ids=str,
)
def test_malformed_order(contents: object, body: bytes) -> None:
    """Invariant 3 (ordered): positions rise, and every change belongs to a transaction."""
    with pytest.raises(ProtocolError):
        Codec().decode(forged(contents, body))


@pytest.mark.parametrize(
    "schema",
    [
        ["t", [1], [["a", "any", 0, 0, "", True]]],  # key outside
        ["t", [0, 0], [["a", "any", 0, 0, "", True]]],
        ["t", [], [["a", "any", 0, 0, "", True]] * 2],  # column twice
        ["t", [], [["a", "wide", 0, 0, "", True]]],  # unknown type
        ["", [], [["a", "any", 0, 0, "", True]]],
        ["t", [], [["a", "any", -1, 0, "", True]]],
        ["t" * 513, [], [["a", "any", 0, 0, "", True]]],
        ["\udc80", [], [["a", "any", 0, 0, "", True]]],  # no database has a name that is no text
        ["t", [], [["\udc80", "any", 0, 0, "", True]]],
        ["t", [], []],
    ],
    ids=str,
)
def test_malformed_schemas(schema: object) -> None:
    entry: list[object] = [0, pack(schema), 1, 0, b"\x01"]
    with pytest.raises(ProtocolError):
        Codec().decode(forged(contents_with(entry), commit(1) + b"\xc4\x01\x01\x07"))


@pytest.mark.parametrize(("encoding", "body"), [(2, b""), (6, b"\xc4\x01\x00\x00")])
def test_a_chunk_with_an_absent_value_is_refused(encoding: int, body: bytes) -> None:
    """It states whole rows: compared with the target's, an absent value would be told as a difference that is none."""
    schema = pack(["t", [], [["c", "any", 0, 0, "", True]]])
    chunk = [0, schema, 1, 0, "compare", None, None, 1, 1, b"d" * 16, bytes((encoding,))]
    with pytest.raises(ProtocolError, match="whole rows"):
        Codec().decode(forged(["o", 1, 0, True, 1, [], [], [chunk]], commit(0) + body))


def test_what_no_peer_would_take_is_not_encoded() -> None:
    schema = TableSchema("t", (Column("c", Type(Kind.ANY)),))
    absent = Chunk(1, 0, schema, Purpose.COMPARE, None, None, ([ABSENT],), 1, b"d" * 16)
    for batch in (
        Batch("o", 1, (Commit(Position(1), 0, 0),), (), (absent,)),
        Batch("\udc80", 1, (Commit(Position(1), 0, 0),), ()),
        Batch("o", 1, (Commit(Position(1), 0, 0),), (Block(TableSchema("t", ()), b"", (), ()),)),
    ):
        with pytest.raises(NotEncodable):
            Codec().encode(batch)
