"""Raw rows read as the canonical columns that they stand for (invariant 4), and refuse what is none of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import ProtocolError
from sync.model.change import Block, Op
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.model.texts import Raw, decode
from sync.model.tuples import LONG_BYTES, Tuples, check
from sync.model.value import ABSENT, Value

SCHEMA = TableSchema(
    "t", (Column("a", Type(Kind.INT32)), Column("b", Type(Kind.TEXT)), Column("c", Type(Kind.FLOAT))), (0,)
)
Rows = Sequence[Sequence[Raw | Value]]


def packed(rows: Rows) -> bytes:
    return b"".join(cell(value) for row in rows for value in row)


def cell(value: Raw | Value) -> bytes:
    if isinstance(value, bytes):
        return b"t" + len(value).to_bytes(4, "big") + value
    return b"n" if value is None else b"u"


def texts_with(*marks: str) -> st.SearchStrategy[bytes]:
    """Texts as a database holds them: without a zero byte, with what could be taken for structure."""
    pieces = st.sampled_from(["t", "n", "u", "\t", "\\", "\n", "é", "", *marks])
    odd = st.lists(pieces, max_size=6).map("".join)
    plain = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
    long = st.integers(LONG_BYTES - 2, LONG_BYTES + 2).map(lambda size: "t" * size)
    return st.one_of(odd, plain, odd, plain, odd, plain, odd, long).map(str.encode)


ROWS = st.lists(
    st.tuples(
        st.integers(-(2**31), 2**31 - 1).map(lambda n: str(n).encode()),
        st.one_of(texts_with("tt"), texts_with("nu"), st.none(), st.just(ABSENT)),
        st.one_of(st.floats(allow_nan=False).map(lambda f: repr(f).encode()), st.none(), st.just(ABSENT)),
    ),
    max_size=6,
)


def canonical(rows: Rows) -> tuple[list[Value], ...]:
    return tuple(decode(column.type, [row[at] for row in rows]) for at, column in enumerate(SCHEMA.columns))


@given(ROWS)
def test_raw_rows_read_as_the_canonical_columns(rows: Rows) -> None:
    tuples = Tuples(SCHEMA, packed(rows), len(rows))
    assert tuple(tuples) == canonical(rows)
    assert tuples == canonical(rows)
    assert [tuples[at] for at in (2, 1, 0)] == list(canonical(rows))[::-1]
    assert b"".join(tuples.cells()) == tuples.body
    block = Block(SCHEMA, bytes([Op.UPSERT]) * len(rows), tuples, range(len(rows)))
    assert len(list(block.changes())) == len(rows)


@given(ROWS)
def test_dense_says_that_every_value_is_a_short_text(rows: Rows) -> None:
    short = all(isinstance(value, bytes) and len(value) < LONG_BYTES for row in rows for value in row)
    assert Tuples(SCHEMA, packed(rows), len(rows)).dense is short
    assert check(packed(rows), 3 * len(rows), "") is short


def test_a_length_that_looks_like_the_start_of_a_text_is_none() -> None:
    body = packed([[b"1", b"x" * 0x740000, b"1.5"]])
    assert not Tuples(SCHEMA, body, 1).dense
    assert [column[0] for column in Tuples(SCHEMA, body, 1)] == [1, "x" * 0x740000, 1.5]


@given(ROWS, ROWS, st.data())
def test_rows_are_joined_cut_and_chosen(one: Rows, other: Rows, data: st.DataObject) -> None:
    both = [*one, *other]
    joined = Tuples.joined([Tuples(SCHEMA, packed(part), len(part)) for part in (one, other)])
    assert joined == canonical(both)
    assert joined.dense is Tuples(SCHEMA, packed(both), len(both)).dense
    first = data.draw(st.integers(0, len(both)))
    assert joined.cut(first).body == packed(both[first:])
    wanted = data.draw(st.lists(st.booleans(), min_size=len(both), max_size=len(both)))
    assert joined.kept(wanted) == canonical([row for row, kept in zip(both, wanted, strict=True) if kept])


@given(st.one_of(ROWS.map(packed), st.binary(max_size=60)), st.integers(0, 7), st.data())
def test_a_hostile_body_is_refused_and_nothing_else(body: bytes, rows: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body)))
    damaged = body[:at] + data.draw(st.binary(max_size=4)) + body[at + data.draw(st.integers(0, 3)) :]
    try:
        check(damaged, 3 * rows, "block")
        columns = tuple(Tuples(SCHEMA, damaged, rows))
    except ProtocolError:
        return
    assert [len(column) for column in columns] == [rows] * 3


def test_no_memory_is_taken_for_rows_that_are_not_there() -> None:
    for count in (2**62, 7):
        with pytest.raises(ProtocolError):
            check(b"nnn", count, "block")


def test_a_value_that_is_none_of_its_type_is_refused_when_it_is_read() -> None:
    tuples = Tuples(SCHEMA, packed([[b"one", b"\xff", b"1"]]), 1)
    assert tuples[2] == [1.0]
    for at in (0, 1):
        with pytest.raises(ProtocolError, match=f"column {SCHEMA.columns[at].name} of t"):
            tuples[at]


def test_a_block_refuses_rows_of_another_count() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        Block(SCHEMA, bytes([Op.INSERT]), Tuples(SCHEMA, b"", 0), range(1))
