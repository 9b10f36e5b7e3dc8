"""Invariant 1 (no loss) at the codec: what is encoded comes back to the last bit, and costs little."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import IntEnum

import pytest
from hypothesis import HealthCheck, given, settings

from sync.errors import ProtocolError
from sync.model.batch import Batch, Chunk, Commit, Purpose
from sync.model.change import ABSENT, Block, Op, Value
from sync.model.position import POSITION_MAX, Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.wire.codec import Codec, CodecLimits, describe
from sync.wire.columns import Encoding, NotEncodable
from tests.unit.wire.batches import batches, exact, users

ANY = TableSchema("t", (Column("a", Type(Kind.ANY)),))


def one_column(values: list[Value]) -> Batch:
    block = Block(ANY, bytes([Op.UPSERT]) * len(values), (values,), range(len(values)))
    return Batch("o", 1, (Commit(Position(1), 0, len(values)),), (block,))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches())
def test_round_trip_is_exact(batch: Batch) -> None:
    codec = Codec()
    encoded = codec.encode(batch)
    again = codec.decode(encoded.payload)
    assert exact(again) == exact(batch)
    assert encoded == describe(again, encoded.payload, encoded.bytes_raw)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches())
def test_directory_is_what_decode_yields(batch: Batch) -> None:
    """Invariant 5 (filtered): the outbound wall judges the very names that the receiver will get."""
    codec = Codec()
    payload = codec.encode(batch).payload
    decoded = codec.decode(payload)
    directory = Codec().directory(payload)
    assert directory.schemas == tuple(b.schema for b in decoded.blocks) + tuple(c.schema for c in decoded.chunks)
    assert directory.tables == tuple((schema.name, schema.column_names) for schema in directory.schemas)
    assert (directory.origin, directory.epoch) == (batch.origin, batch.epoch)


@pytest.mark.parametrize(
    "values",
    [
        [0.0, -0.0],
        [1, True, 1.0],
        [True, True],
        [float("nan"), float("nan")],
        [float("inf"), float("-inf")],
        [None, ABSENT, "", b"", 0, False],
        [ABSENT] * 3000,
        [None] * 3000,
        [None, "x"] * 700,
        ["a\0b", "\0", ""],
        ["\ud800", "\udfff", "\U0010ffff"],
        [-(2**63), 2**63 - 1] * 2,
        [-(2**63)] * 1030 + [2**63 - 1],
        [*range(5000)],
        [b"\xff" * n for n in range(300)],
        ["x" * 100_000],
        [ABSENT, "a"] * 600,
        [str(n) for n in range(256)] * 4,
        [str(n) for n in range(257)] * 4,
    ],
    ids=str,
)
def test_hard_columns(values: list[Value]) -> None:
    codec = Codec()
    assert exact(codec.decode(codec.encode(one_column(values)).payload)) == exact(one_column(values))


@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        ([1.5, 1.5], Encoding.PLAIN),
        ([7] * 50, Encoding.CONSTANT),
        ([ABSENT] * 50, Encoding.ABSENT),
        (["a", "b", None] * 50, Encoding.DICTIONARY),
        ([str(n) for n in range(50)], Encoding.JOINED),
        ([*range(50)], Encoding.DELTA),
        ([ABSENT, 1] * 50, Encoding.MASKED),
    ],
    ids=str,
)
def test_each_encoding_is_chosen_where_it_pays(values: list[Value], encoding: Encoding) -> None:
    codec = Codec()
    contents, _ = codec._pack_batch(one_column(values))
    assert contents[-2] == encoding  # the last entry's encodings, before the empty list of chunks


def test_one_renamed_user_is_small() -> None:
    """A light load sends one row a batch: that must not carry a kilobyte of schema."""
    assert len(Codec().encode(users()).payload) < 150


def test_many_rows_take_a_tenth_of_their_json() -> None:
    batch = users(5000)
    rows = [dict(zip(batch.blocks[0].schema.column_names, change.row)) for change in batch.blocks[0].changes()]  # noqa: B905
    assert len(Codec().encode(batch).payload) * 10 < len(json.dumps(rows, separators=(",", ":")))


def test_an_absent_column_costs_nothing() -> None:
    few, many = (len(Codec().encode(one_column([ABSENT] * count)).payload) for count in (2, 100_000))
    assert many - few < 10


def test_schemas_are_read_once() -> None:
    codec = Codec()
    payload = codec.encode(users()).payload
    assert codec.decode(payload).blocks[0].schema is codec.decode(payload).blocks[0].schema


class Colour(IntEnum):
    RED = 1


class Name(str):
    __slots__ = ()


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, Colour.RED, Name("x"), object(), [1], bytearray(b"x")])
def test_what_is_no_value_is_refused(value: Value) -> None:
    with pytest.raises(NotEncodable):
        Codec().encode(one_column([value, 1]))


@pytest.mark.parametrize(
    "limits",
    [
        CodecLimits(rows_max=9),
        CodecLimits(cells_max=79),
        CodecLimits(raw_bytes_max=100),
        CodecLimits(payload_bytes_max=50),
        CodecLimits(columns_max=7),
    ],
    ids=str,
)
def test_limits_bind_both_ends(limits: CodecLimits) -> None:
    """Invariant 7 (bounded): what is too large is neither sent nor read."""
    with pytest.raises(NotEncodable):
        Codec(limits).encode(users(10))
    with pytest.raises(ProtocolError):
        Codec(limits).decode(Codec().encode(users(10)).payload)


def test_transactions_are_limited() -> None:
    commits = tuple(Commit(Position(n), 0, 1) for n in range(3))
    batch = replace(users(), commits=commits)
    with pytest.raises(NotEncodable):
        Codec(CodecLimits(transactions_max=2)).encode(batch)
    with pytest.raises(NotEncodable):
        Codec().encode(replace(users(), commits=()))


def test_a_batch_of_commits_only_moves_the_position() -> None:
    batch = Batch("o", 1, (Commit(Position(3), 0, 0), Commit(POSITION_MAX, 0, 0)), ())
    assert Codec().decode(Codec().encode(batch).payload) == batch


@pytest.mark.parametrize(
    "batch",
    [
        replace(users(), epoch=-1),
        replace(users(), epoch=2**70),
        replace(users(), origin="o" * 10_000),
        replace(users(), marks=("m",) * 2000),
        replace(users(), chunks=(Chunk(0, 0, ANY, Purpose.REPLACE, None, None, ([],), 3, b""),)),
        replace(users(), chunks=(Chunk(0, 0, ANY, Purpose.DIGEST, (ABSENT,), None, ([],), 3, b""),)),
    ],
    ids=["epoch", "wide epoch", "origin", "marks", "rows missing", "absent bound"],
)
def test_what_no_peer_would_read_is_not_written(batch: Batch) -> None:
    with pytest.raises(NotEncodable):
        Codec().encode(batch)
