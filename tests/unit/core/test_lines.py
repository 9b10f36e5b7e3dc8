"""Lines against a table that performs the changes one by one and believes nothing (invariant 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.lines import Opened, lines, opened
from sync.model.change import ABSENT, Block, Op, Value
from sync.model.lines import Lines
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.model.texts import Raw
from sync.model.tuples import LONG_BYTES, Tuples
from tests.unit.model.test_tuples import packed

Row = tuple[Raw | Value, ...]
Rows = dict[Row, Row]
_SPECIAL = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r", b"\\t": b"\t"}


def table(*key: int, kind: Kind = Kind.TEXT, name: str = "t") -> TableSchema:
    return TableSchema(name, tuple(Column(f"c{at}", Type(kind)) for at in range(3)), key)


def raw(schema: TableSchema, changes: Sequence[tuple[Op, Row]]) -> Block:
    tuples = Tuples(schema, packed([row for _, row in changes]), len(changes))
    return Block(schema, bytes(op for op, _ in changes), tuples, range(len(changes)))


def taken(*blocks: Block) -> list[Opened]:
    found = [each for each in map(opened, blocks) if each is not None]
    assert len(found) == len(blocks)
    return found


def values(line: bytes) -> Row:
    """What COPY reads."""
    return tuple(None if cell == b"\\N" else _unescaped(cell) for cell in line.split(b"\t"))


def _unescaped(cell: bytes) -> bytes:
    pieces: list[bytes] = []
    while cell:
        size = 2 if cell[:1] == b"\\" else 1
        pieces.append(_SPECIAL[cell[:2]] if size == 2 else cell[:1])
        cell = cell[size:]
    return b"".join(pieces)


def perform(schema: TableSchema, rows: Rows, made: Lines) -> None:
    """Do what the lines say, and hold them to it."""
    assert made.body.endswith(b"\n")
    given = [values(line) for line in made.body[:-1].split(b"\n")]
    assert len(given) == made.rows
    for row in given:
        if made.said is Op.DELETE:
            rows.pop(tuple(row[sorted(schema.key).index(at)] for at in schema.key), None)
            continue
        key = tuple(row[at] for at in schema.key)
        assert made.said is Op.UPSERT or (key in rows) is (made.said is Op.UPDATE)
        rows[key] = row
    assert made.said is Op.INSERT or len(set(given)) == len(given)


TEXTS = st.one_of(
    st.lists(st.sampled_from([b"t", b"\t", b"\n", b"\r", b"\\", b"N", b"."]), max_size=4).map(b"".join),
    st.sampled_from([b"plain", "é".encode(), b"\\N", b"\\."]),
)
PLAIN = st.sampled_from([b"a", b"b", b""])


@st.composite
def histories(draw: st.DrawFn) -> tuple[TableSchema, Rows, list[tuple[Op, Row]], Rows]:
    """Rows of a table, changes that a log may tell of them, and the rows that are left."""
    schema = table(*draw(st.sampled_from([(0,), (0, 1), (2, 0)])))
    keys = draw(st.sampled_from([PLAIN, TEXTS]))
    others = draw(st.sampled_from([PLAIN, TEXTS, st.one_of(TEXTS, st.none())]))

    def row() -> Row:
        return tuple(draw(keys if at in schema.key else others) for at in range(3))

    def key_of(row: Row) -> Row:
        return tuple(row[at] for at in schema.key)

    before = {key_of(each): each for each in [row() for _ in range(draw(st.integers(0, 3)))]}
    rows, changes = dict(before), list[tuple[Op, Row]]()
    for _ in range(draw(st.integers(1, 12))):
        change = row()
        key = key_of(change)
        if key not in rows:
            op = draw(st.sampled_from([Op.INSERT, Op.UPSERT]))
        else:
            op = draw(st.sampled_from([Op.UPDATE, Op.UPSERT, Op.DELETE]))
        if op is Op.DELETE:
            del rows[key]
            change = tuple(value if at in schema.key else ABSENT for at, value in enumerate(change))
        else:
            rows[key] = change
        changes.append((op, change))
    return schema, before, changes, rows


@given(histories(), st.integers(0, 12))
def test_loading_lines_comes_to_what_the_changes_one_by_one_do(
    history: tuple[TableSchema, Rows, list[tuple[Op, Row]], Rows], cut: int
) -> None:
    schema, rows, changes, after = history
    made = lines(taken(*(raw(schema, part) for part in (changes[:cut], changes[cut:]) if part)))
    assert made is not None
    for each in made:
        perform(schema, rows, each)
    assert rows == after


def test_new_rows_are_joined_without_a_look_at_their_keys() -> None:
    schema = table(0, kind=Kind.DECIMAL)
    (made,) = lines(taken(*(raw(schema, [(Op.INSERT, (b"1", b"a", None))]) for _ in range(2)))) or []
    assert made == Lines(schema, Op.INSERT, b"1\ta\t\\N\n1\ta\t\\N\n", 2)


def test_a_long_text_is_a_line_like_any_other() -> None:
    schema, long = table(0), b"x" * (LONG_BYTES - 1)
    for text in (long, long + b"x", long + b"\t"):
        (made,) = lines(taken(raw(schema, [(Op.UPDATE, (b"1", b"a", text))]))) or []
        assert values(made.body[:-1]) == (b"1", b"a", text)


def test_tables_and_their_forms_come_in_the_order_of_their_first_change() -> None:
    wider = TableSchema("t", (*table(0).columns, Column("d", Type(Kind.TEXT))), (0,))
    new = [(Op.INSERT, (b"1", b"", b""))]
    blocks = [raw(table(0), new), raw(table(0, name="o"), new), raw(wider, [(Op.INSERT, (b"1", b"", b"", b""))])]
    assert [each.schema for each in lines(taken(*blocks)) or []] == [table(0), table(0, name="o"), wider]


def _left_to_values() -> Iterator[tuple[str, Block]]:
    row: Row = (b"1", b"a", b"b")
    yield "canonical", Block.of(table(0), [(Op.INSERT, ("1", "a", "b"))])
    yield "truncate", raw(table(0), [(Op.TRUNCATE, (ABSENT,) * 3)])
    yield "unchanged", raw(table(0), [(Op.UPDATE, (b"1", ABSENT, b"b"))])
    yield (
        "unchanged beside a delete",
        raw(table(0), [(Op.DELETE, (b"1", ABSENT, ABSENT)), (Op.INSERT, (b"1", b"a", ABSENT))]),
    )
    yield "null key", raw(table(0), [(Op.UPDATE, (None, b"a", b"b"))])
    yield "inexact key", raw(table(0, kind=Kind.DECIMAL), [(Op.UPDATE, row)])
    yield "no key", raw(table(), [(Op.DELETE, row)])
    yield "nothing", raw(table(0), [])


@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in _left_to_values()])
def test_what_has_to_be_looked_at_is_left_to_the_values(block: Block) -> None:
    assert opened(block) is None


def test_new_rows_with_keys_that_need_a_look_are_left_to_the_values_beside_other_changes() -> None:
    schema = table(0)
    null = raw(schema, [(Op.INSERT, (None, b"a", b"b"))])
    assert lines(taken(null, raw(schema, [(Op.UPDATE, (b"1", b"a", b"b"))]))) is None
