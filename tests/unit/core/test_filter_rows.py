"""Row rules on changes: rows inside pass, rows that move out leave the target, others stay home (invariants 1, 5)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.filter import Filter, Selection
from sync.core.net import net
from sync.errors import UsageError
from sync.model.change import ABSENT, Block, Op, Row, Value
from sync.model.schema import Column, Kind, TableSchema, Type
from tests.unit.core.dumb_table import DumbTable

COLUMNS = (Column("acd", Type(Kind.INT32)), Column("name", Type(Kind.ANY)), Column("level", Type(Kind.INT32)))
BY_ACD = TableSchema("t", COLUMNS, (0, 1))
KEYLESS = TableSchema("t", COLUMNS)


def rows(rule: str) -> Filter:
    return Filter(Selection(profile="none", include=("t",), rows={"T": rule}))


def block(changes: Sequence[tuple[Op, Row]], schema: TableSchema = BY_ACD) -> Block:
    return Block.of(schema, changes)


def seen(result: Block | None) -> list[tuple[Op, Row]]:
    return [(change.op, change.row) for change in result.changes()] if result else []


def test_block_without_a_rule_is_the_very_same_object() -> None:
    changes = block([(Op.UPSERT, (9, "a", 1))])
    table_filter = Filter(Selection(profile="none", include=("t",), rows={"other": "a = 1"}))
    assert table_filter.block(changes) is changes
    assert table_filter.columns_in_scope(BY_ACD, changes.columns) == [True]


def test_block_with_all_rows_inside_is_the_very_same_object() -> None:
    changes = block([(Op.UPSERT, (1, "a", 1)), (Op.DELETE, (2, "b", ABSENT)), (Op.TRUNCATE, (ABSENT,) * 3)])
    assert rows("acd IN (1, 2)").judge(changes) == (changes, 0)
    assert rows("acd IN (1, 2)").block(changes) is changes


def test_row_whose_key_is_outside_stays_home_altogether() -> None:
    """Invariant 5, and the target's own rows outside of the rule are left alone."""
    changes = block(
        [
            (Op.UPSERT, (1, "a", 1)),
            (Op.UPSERT, (3, "a", 1)),
            (Op.INSERT, (3, "b", 1)),
            (Op.DELETE, (3, "c", ABSENT)),
            (Op.DELETE, (1, "c", ABSENT)),
            (Op.UPDATE, (None, "d", 1)),
        ]
    )
    kept, home = rows("acd IN (1, 2)").judge(changes)
    assert seen(kept) == [(Op.UPSERT, (1, "a", 1)), (Op.DELETE, (1, "c", ABSENT))]
    assert home == 4
    assert kept is not None
    assert list(kept.ordinals) == [0, 4]


def test_row_that_moves_out_is_deleted() -> None:
    """Invariant 1: it must not stay on the target as it was."""
    changes = block([(Op.UPDATE, (1, "a", 9)), (Op.UPSERT, (1, "b", None)), (Op.INSERT, (1, "c", 1))])
    kept, home = rows("level < 5").judge(changes)
    assert seen(kept) == [
        (Op.DELETE, (1, "a", ABSENT)),
        (Op.DELETE, (1, "b", ABSENT)),
        (Op.INSERT, (1, "c", 1)),
    ]
    assert home == 2


def test_delete_passes_where_its_row_may_have_been_inside() -> None:
    """Invariant 1: a DELETE does not know the columns that the rule looks at."""
    changes = block([(Op.DELETE, (1, "a", ABSENT)), (Op.DELETE, (3, "a", ABSENT))])
    assert seen(rows("level < 5 AND acd = 1").block(changes)) == [(Op.DELETE, (1, "a", ABSENT))]


def test_nothing_left_is_no_block() -> None:
    assert rows("acd = 1").judge(block([(Op.INSERT, (2, "a", 1))])) == (None, 1)


def test_added_row_outside_of_a_rule_never_deletes_its_equals() -> None:
    """Invariant 1: where the identity is not unique, others with the same one may be inside."""
    changes = block([(Op.INSERT, (1, None, 9)), (Op.INSERT, (1, "a", 9)), (Op.UPSERT, (1, None, 9))])
    assert seen(rows("level < 5").block(changes)) == [(Op.DELETE, (1, "a", ABSENT)), (Op.DELETE, (1, None, ABSENT))]


def test_keyless_row_outside_is_dropped() -> None:
    changes = block([(Op.INSERT, (1, "a", 9)), (Op.DELETE, (1, "a", 9)), (Op.DELETE, (1, "a", 1))], KEYLESS)
    assert seen(rows("level < 5").block(changes)) == [(Op.DELETE, (1, "a", 1))]


def test_unsent_column_that_the_rule_needs_stops_with_its_name() -> None:
    """Invariants 1 and 5: guessing would lose the row or leak it."""
    changes = block([(Op.UPDATE, (1, "a", ABSENT))])
    with pytest.raises(UsageError, match="did not send column level"):
        rows("level < 5").block(changes)
    assert rows("acd = 1").block(changes) is changes


def test_rule_of_a_local_column_is_refused_when_bound() -> None:
    table_filter = Filter(
        Selection(profile="none", include=("t",), rows={"t": "level = 1"}, local_columns={"t": ["level"]})
    )
    with pytest.raises(UsageError, match="no replicated column level"):
        table_filter.block(Block.of(table_filter.project(BY_ACD), [(Op.UPSERT, (1, "a"))]))


VALUES = st.sampled_from([None, 1, 2, 3])
RULES = st.sampled_from(
    ["acd IN (1, 2)", "level < 3", "acd = 1 OR level = 2", "NOT level = 1", "level IS NULL", "name = 2"]
)


@given(
    st.sampled_from([BY_ACD, KEYLESS]),
    RULES,
    st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=4),
    st.lists(st.tuples(st.sampled_from(list(Op)), st.tuples(VALUES, VALUES, VALUES)), max_size=10),
)
def test_target_holds_exactly_the_rows_inside(
    schema: TableSchema, rule: str, before: list[Row], history: list[tuple[Op, Row]]
) -> None:
    """Invariants 1 and 5: whatever happens to rows, the target shows those inside the rule, and no other."""
    table_filter = rows(rule)
    identity = schema.identity
    source = DumbTable(schema)
    for row in before:
        source.change(Op.INSERT, row)

    def inside() -> list[Row]:
        held: list[Row] = [row[:-1] for row in source.rows]
        columns: tuple[list[Value], ...] = tuple([row[i] for row in held] for i in range(3))
        return [row for row, kept in zip(held, table_filter.columns_in_scope(schema, columns), strict=True) if kept]

    target = DumbTable(schema)
    target.rows = [(*row, "default") for row in inside()]
    changes: list[tuple[Op, Row]] = []
    for op, row in history:
        known = tuple(v if i in identity else ABSENT for i, v in enumerate(row)) if op is Op.DELETE else row
        changes.append((op, (ABSENT,) * 3 if op is Op.TRUNCATE else known))
        source.change(*changes[-1])
    kept = table_filter.block(block(changes, schema))
    for writes in net([kept] if kept else []):
        target.perform(writes)
    assert sorted(map(repr, (row[:-1] for row in target.rows))) == sorted(map(repr, inside()))
    assert kept is None or all(op >= Op.DELETE or row in set_of(changes) for op, row in seen(kept))


def set_of(changes: list[tuple[Op, Row]]) -> set[Row]:
    return {row for _, row in changes}


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=8), RULES)
def test_no_row_outside_ever_passes(values: list[Row], rule: str) -> None:
    """Invariant 5, stated on what crosses: every row that is put is inside."""
    table_filter = rows(rule)
    kept = table_filter.block(block([(Op.UPSERT, row) for row in values]))
    puts: list[Row] = [row for op, row in seen(kept) if op < Op.DELETE]
    columns: tuple[list[Value], ...] = tuple([row[i] for row in puts] for i in range(3))
    assert all(table_filter.columns_in_scope(BY_ACD, columns))
