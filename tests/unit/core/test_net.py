"""The net effect against a deliberately dumb target that performs changes one by one (invariant 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.net import net
from sync.errors import ProtocolError
from sync.model.change import ABSENT, Block, Op, Row, Value
from sync.model.schema import Column, Kind, TableSchema, Type
from tests.unit.core.dumb_table import DumbTable


def table(key: tuple[int, ...], kinds: Sequence[Kind] = (Kind.INT32, Kind.ANY, Kind.TEXT, Kind.TEXT)) -> TableSchema:
    return TableSchema("t", tuple(Column(f"c{i}", Type(kind)) for i, kind in enumerate(kinds)), key)


@st.composite
def histories(draw: st.DrawFn) -> tuple[TableSchema, list[tuple[Op, Row]]]:
    schema = table(draw(st.sampled_from([(), (0,), (0, 1), (1, 0)])))
    identity = set(schema.identity)
    keys = st.sampled_from([None, None, 0, 1, 1.0, True, "1", b"1"])
    values = st.sampled_from([None, "a", "b", 7])
    changes: list[tuple[Op, Row]] = []
    for op in draw(st.lists(st.sampled_from([*Op, Op.UPSERT, Op.INSERT, Op.DELETE]), max_size=14)):
        row: list[Value] = [
            draw(keys if i < 2 else values) if op < Op.DELETE or i in identity else ABSENT for i in range(4)
        ]
        unique = bool(schema.key) and not any(row[i] is None for i in identity)
        if unique and op < Op.DELETE:
            row = [ABSENT if i not in identity and draw(st.booleans()) else v for i, v in enumerate(row)]
        changes.append((op, (ABSENT,) * 4 if op is Op.TRUNCATE else tuple(row)))
    return schema, changes


def blocks_of(schema: TableSchema, changes: list[tuple[Op, Row]], cut: int) -> list[Block]:
    return [Block.of(schema, changes[:cut]), Block.of(schema, changes[cut:], cut)]


@given(histories(), histories(), st.integers(0, 14))
def test_net_effect_equals_row_by_row(
    before: tuple[TableSchema, list[tuple[Op, Row]]], history: tuple[TableSchema, list[tuple[Op, Row]]], cut: int
) -> None:
    """Invariant 4: whatever stood on the target, performing the net effect leaves what the changes would."""
    schema, changes = history
    one, other = DumbTable(schema), DumbTable(schema)
    for _, row in before[1]:
        if ABSENT not in row:
            one.change(Op.INSERT, row)
            other.change(Op.INSERT, row)
    for op, row in changes:
        one.change(op, row)
    for writes in net(blocks_of(schema, changes, cut)):
        other.perform(writes)
    assert Counter(one.rows) == Counter(other.rows)
    again = net(blocks_of(schema, changes, cut))
    if not any(writes.inserts[0] for writes in again):
        # Rows that nothing identifies are kept from coming twice by the checkpoint alone.
        for writes in again:
            other.perform(writes)
        assert Counter(one.rows) == Counter(other.rows), "invariant 4: applying again changes nothing"


def test_clean_block_is_handed_on_without_a_copy() -> None:
    schema = table((0, 1))
    block = Block.of(schema, [(Op.UPSERT, (i, "x", "a", None)) for i in range(5)])
    (writes,) = net([block])
    (group,) = writes.upserts
    assert all(mine is theirs for mine, theirs in zip(group.columns, block.columns, strict=True))
    assert group.present == (0, 1, 2, 3)
    assert writes.row_count == 5


def test_deleted_and_put_again_stands_in_both() -> None:
    """Columns that do not travel take their defaults, as on the source."""
    schema = table((0,))
    (writes,) = net([Block.of(schema, [(Op.DELETE, (1, ABSENT, ABSENT, ABSENT)), (Op.INSERT, (1, "a", "b", "c"))])])
    assert writes.deletes == ([1],)
    assert writes.upserts[0].columns == ([1], ["a"], ["b"], ["c"])


def test_rows_in_pieces_are_put_together_and_grouped() -> None:
    schema = table((0,))
    changes: list[tuple[Op, Row]] = [
        (Op.UPSERT, (1, "a", ABSENT, "x")),
        (Op.UPSERT, (2, "a", "b", "c")),
        (Op.UPDATE, (1, ABSENT, ABSENT, "y")),
    ]
    (writes,) = net([Block.of(schema, changes)])
    found = {group.present: group.columns for group in writes.upserts}
    assert found == {(0, 1, 2, 3): ([2], ["a"], ["b"], ["c"]), (0, 1, 3): ([1], ["a"], ["y"])}


def test_truncate_forgets_what_was_before_it() -> None:
    schema = table((0,))
    nothing: Row = (ABSENT,) * 4
    (writes,) = net([Block.of(schema, [(Op.UPSERT, (1, "a", "b", "c")), (Op.TRUNCATE, nothing)])])
    assert writes.truncate
    assert writes.upserts == ()
    assert writes.row_count == 1


def test_schema_change_gives_one_net_effect_for_each_schema() -> None:
    one, two = table((0,)), table((0,), (Kind.INT64, Kind.ANY, Kind.TEXT, Kind.TEXT))
    blocks = [Block.of(s, [(Op.UPSERT, (1, "a", "b", "c"))]) for s in (one, two)]
    assert [writes.schema.fingerprint for writes in net(blocks)] == [one.fingerprint, two.fingerprint]


def test_tables_come_in_order_of_appearance_and_empty_blocks_not_at_all() -> None:
    one, two = table((0,)), TableSchema("u", table((0,)).columns, (0,))
    row: Row = (1, "a", "b", "c")
    blocks = [Block.of(two, [(Op.UPSERT, row)]), Block.of(one, []), Block.of(two, [(Op.UPSERT, row)])]
    assert [writes.schema.name for writes in net(blocks)] == ["u"]


def test_null_in_a_key_is_not_unique() -> None:
    """SQL lets a unique index hold many of them: they are added, never collapsed."""
    schema = table((0, 1))
    changes: list[tuple[Op, Row]] = [
        (Op.INSERT, (1, None, "a", "b")),
        (Op.INSERT, (1, None, "a", "c")),
        (Op.UPSERT, (2, None, "a", "b")),
        (Op.UPSERT, (1, 1, "a", "b")),
    ]
    (writes,) = net([Block.of(schema, changes)])
    assert writes.inserts == ([1, 1, 2], [None, None, None], ["a", "a", "a"], ["b", "c", "b"])
    assert writes.deletes == ([2], [None])
    assert [group.columns for group in writes.upserts] == [([1], [1], ["a"], ["b"])]


def test_every_nan_is_one_key() -> None:
    schema = table((0,), (Kind.FLOAT, Kind.TEXT))
    changes: list[tuple[Op, Row]] = [(Op.UPSERT, (nan, "a")), (Op.UPSERT, (float("nan"), "b"))]
    (writes,) = net([Block.of(schema, changes)])
    assert writes.upserts[0].columns[1] == ["b"]


def test_change_without_identity_is_refused() -> None:
    with pytest.raises(ProtocolError, match="does not say which row"):
        net([Block.of(table((0,)), [(Op.UPSERT, (ABSENT, "a", "b", "c"))])])
