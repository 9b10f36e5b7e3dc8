"""Comparison: what differs is named, and the mend makes both sides equal."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sync.core.compare import compare
from sync.core.digest import digest
from sync.core.net import net
from sync.model.batch import DIFFERENCES_MAX
from sync.model.change import Columns, Op, Row
from sync.model.schema import Column, Kind, TableSchema, Type
from tests.unit.core.dumb_table import DumbTable

COLUMNS = (Column("k", Type(Kind.ANY)), Column("l", Type(Kind.ANY)), Column("v", Type(Kind.ANY)))
KEYED = TableSchema("t", COLUMNS, (0,))
PAIR = TableSchema("t", COLUMNS, (1, 0))
KEYLESS = TableSchema("t", COLUMNS)


def columns(rows: list[Row]) -> Columns:
    return tuple([row[i] for row in rows] for i in range(len(COLUMNS)))


@st.composite
def sides(draw: st.DrawFn) -> tuple[TableSchema, list[Row], list[Row]]:
    schema = draw(st.sampled_from([KEYED, PAIR, KEYLESS]))
    value = st.sampled_from([None, 0, 1, 1.0, True, "1", b"1", 2.5])

    def rows() -> list[Row]:
        table = DumbTable(schema)
        for row in draw(st.lists(st.tuples(value, value, value), max_size=6)):
            table.change(Op.INSERT, row)
        return [row[:-1] for row in table.rows]

    return schema, rows(), rows()


@given(sides())
def test_mend_makes_the_target_equal(case: tuple[TableSchema, list[Row], list[Row]]) -> None:
    """Invariant 4, for repair: after the mend nothing differs, and a second comparison mends nothing."""
    schema, source, target = case
    found = compare(schema, columns(source), columns(target))
    table = DumbTable(schema)
    table.rows = [(*row, "kept") for row in target]
    for writes in net([found.mend] if found.mend else []):
        table.perform(writes)
    mended: list[Row] = [row[:-1] for row in table.rows]
    assert digest(schema, columns(mended)) == digest(schema, columns(source))
    assert compare(schema, columns(source), columns(mended)).equal
    assert found.equal == (found.count == 0)
    assert len(source) - len(target) == found.missing - found.extra
    assert Counter(d.what for d in found.differences) == Counter(
        {"missing": found.missing, "extra": found.extra, "different": found.different}
    )


def test_differences_are_named_in_key_order() -> None:
    source: list[Row] = [(1, "a", "x"), (2, "b", "y"), (4, "d", "z")]
    target: list[Row] = [(2, "B", "Y"), (3, "c", "q"), (4, "d", "z")]
    found = compare(KEYED, columns(source), columns(target))
    assert [(d.key, d.what, d.columns) for d in found.differences] == [
        ((1,), "missing", ()),
        ((2,), "different", ("l", "v")),
        ((3,), "extra", ()),
    ]
    assert found.mend is not None
    assert [(change.op, change.key) for change in found.mend.changes()] == [
        (Op.DELETE, (3,)),
        (Op.UPSERT, (1,)),
        (Op.UPSERT, (2,)),
    ]


def test_equal_rows_in_another_order_or_form_are_equal() -> None:
    assert compare(KEYED, columns([(1, 1, True), (2, 2, 2)]), columns([(2.0, 2, 2.0), (1, 1, 1)])).equal


def test_mend_writes_the_values_of_the_source_as_they_are() -> None:
    """The form that compares (1 for TRUE) must not reach a typed column."""
    found = compare(KEYED, columns([(1, True, 2.0)]), columns([]))
    assert found.mend is not None
    (change,) = found.mend.changes()
    assert [type(value) for value in change.row] == [int, bool, float]


def test_first_copy_hands_the_lists_on() -> None:
    source = columns([(2, "b", 1), (1, "a", 1)])
    found = compare(KEYED, source, columns([]))
    assert found.mend is not None
    assert all(mine is theirs for mine, theirs in zip(found.mend.columns, source, strict=True))
    assert [(d.key, d.what) for d in found.differences] == [((1,), "missing"), ((2,), "missing")]


def test_keyless_rows_keep_their_multiplicity() -> None:
    row: Row = (1, 1, 1)
    found = compare(KEYLESS, columns([row] * 3), columns([row]))
    assert (found.missing, found.extra) == (2, 0)
    assert found.mend is not None
    assert [change.op for change in found.mend.changes()] == [Op.DELETE, Op.INSERT, Op.INSERT, Op.INSERT]


def test_list_is_capped_and_the_count_is_not() -> None:
    """Invariant 7: a report is bounded; what is mended is not."""
    rows: list[Row] = [(i, 0, 0) for i in range(DIFFERENCES_MAX + 5)]
    found = compare(KEYED, columns(rows), columns([]))
    assert len(found.differences) == DIFFERENCES_MAX
    assert found.count == DIFFERENCES_MAX + 5
    assert found.mend is not None
    assert len(found.mend) == DIFFERENCES_MAX + 5
