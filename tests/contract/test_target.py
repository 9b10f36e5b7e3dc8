"""What `sync.ports.Target` promises, sentence by sentence, for every adapter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync.core.net import net
from sync.errors import AdminSyncError, DatabaseError, RoleError, RowRefused
from sync.model.batch import Checkpoint
from sync.model.change import ABSENT, Block, Change, Op, Row
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from tests.contract.pair import COMPOSITE, EPOCH, KEYED, KEYLESS, LOOSE, VALUES, Pair, sorted_rows
from tests.contract.servers import Delete, Insert, Update

ORIGIN = "somewhere"


def write(pair: Pair, schema: TableSchema, *changes: tuple[Op, Row], position: int = 1) -> None:
    """Apply one block and commit."""
    pair.target.begin()
    pair.target.write(net([Block.of(schema, changes)]))
    pair.target.commit(Checkpoint(ORIGIN, EPOCH, Position(position)))


def test_rows_and_checkpoint_commit_together(pair: Pair) -> None:
    """Invariant 4."""
    assert pair.target.checkpoint(ORIGIN) is None
    assert pair.target.epoch() == 0
    write(pair, KEYED, (Op.INSERT, (1, "a", None)), position=7)
    assert pair.secondary.rows(KEYED.name) == [(1, "a", None)]
    assert pair.target.checkpoint(ORIGIN) == Checkpoint(ORIGIN, EPOCH, Position(7))
    assert pair.target.epoch() == EPOCH
    assert pair.target.checkpoint("elsewhere") is None


def test_nothing_is_visible_before_commit_and_nothing_left_after_rollback(pair: Pair) -> None:
    """Invariant 2."""
    write(pair, KEYED, (Op.INSERT, (1, "a", None)))
    pair.target.begin()
    pair.target.write(net([Block.of(KEYED, [(Op.DELETE, (1, ABSENT, ABSENT)), (Op.INSERT, (2, "b", None))])]))
    assert pair.secondary.rows(KEYED.name) == [(1, "a", None)]
    pair.target.rollback()
    pair.target.rollback()
    assert pair.secondary.rows(KEYED.name) == [(1, "a", None)]
    assert pair.target.checkpoint(ORIGIN) == Checkpoint(ORIGIN, EPOCH, Position(1))


@pytest.mark.parametrize("written", [False, True], ids=["begun", "written"])
def test_a_flush_inside_of_a_transaction_leaves_it_as_it_is(pair: Pair, written: bool) -> None:
    """Invariant 2: a large transaction waits for its next part while the ones before it are made durable."""
    write(pair, KEYED, (Op.INSERT, (1, "a", None)))
    pair.target.begin()
    if written:
        pair.target.write(net([Block.of(KEYED, [(Op.INSERT, (2, "b", None))])]))
    pair.target.flush()
    pair.target.write(net([Block.of(KEYED, [(Op.INSERT, (3, "c", None))])]))
    assert pair.secondary.rows(KEYED.name) == [(1, "a", None)]
    pair.target.rollback()
    assert pair.secondary.rows(KEYED.name) == [(1, "a", None)]


def test_a_new_target_finds_the_checkpoint(pair: Pair) -> None:
    write(pair, KEYED, (Op.INSERT, (1, "a", None)), position=9)
    pair.target.flush()
    pair.target.close()
    pair.target = pair.secondary.target()
    pair.target.open()
    assert pair.target.checkpoint(ORIGIN) == Checkpoint(ORIGIN, EPOCH, Position(9))


def test_a_lower_epoch_is_fenced_whatever_its_origin(pair: Pair) -> None:
    """Invariant 6."""
    write(pair, KEYED, (Op.INSERT, (1, "a", None)))
    pair.target.begin()
    pair.target.write(net([Block.of(KEYED, [(Op.DELETE, (1, ABSENT, ABSENT))])]))
    with pytest.raises(RoleError):
        pair.target.commit(Checkpoint("old primary", EPOCH - 1, Position(99)))
    pair.target.rollback()
    assert pair.secondary.rows(KEYED.name) == [(1, "a", None)]
    assert pair.target.checkpoint("old primary") is None


def test_replay_from_any_earlier_position_changes_nothing(pair: Pair) -> None:
    """Invariant 4."""
    pair.run(Insert(KEYED, (1, "a", None)), Insert(KEYLESS, (1, "x")), Insert(KEYLESS, (1, "x")))
    pair.pump()
    pair.run(Update(KEYED, (1,), (2, "b", None)), Delete(KEYLESS, (1, "x"), one=True), Insert(LOOSE, (None, "x", "y")))
    pair.pump()
    pair.run(Insert(KEYED, (1, "again", 5)), Update(LOOSE, (None, "x"), (None, "x", "z")))
    pair.pump()
    for start in range(len(pair.log)):
        pair.apply(pair.log[start:], again=True)
        pair.assert_equal()


def test_absent_columns_stay_and_new_rows_take_defaults(pair: Pair) -> None:
    write(pair, KEYED, (Op.INSERT, (1, "kept", 5)))
    write(pair, KEYED, (Op.UPDATE, (1, ABSENT, 6)), (Op.UPSERT, (2, ABSENT, 7)))
    assert sorted_rows(pair.secondary.rows(KEYED.name)) == [(1, "kept", 6), (2, None, 7)]


def test_columns_that_the_stream_does_not_have_stay(pair: Pair) -> None:
    narrow = replace(KEYED, columns=(KEYED.columns[0], KEYED.columns[2]))
    write(pair, KEYED, (Op.INSERT, (1, "local", 5)))
    write(pair, narrow, (Op.UPSERT, (1, 6)), (Op.UPSERT, (2, 7)))
    assert sorted_rows(pair.secondary.rows(KEYED.name)) == [(1, "local", 6), (2, None, 7)]


def test_deleting_a_missing_row_is_no_error(pair: Pair) -> None:
    write(pair, KEYED, (Op.DELETE, (1, ABSENT, ABSENT)))
    write(pair, KEYLESS, (Op.DELETE, (1, None)))
    assert pair.secondary.rows(KEYED.name) == []


def test_truncate_empties_a_table_before_the_rest(pair: Pair) -> None:
    write(pair, KEYED, *((Op.INSERT, (n, "a", None)) for n in range(5)))
    write(pair, KEYED, (Op.TRUNCATE, (ABSENT,) * 3), (Op.INSERT, (9, "b", None)))
    assert pair.secondary.rows(KEYED.name) == [(9, "b", None)]


def test_equal_rows_without_a_key_keep_their_number(pair: Pair) -> None:
    pair.needs(KEYLESS)
    for row in [(1, "x"), (1, "x"), (1, "x"), (None, None), (None, None)]:
        pair.run(Insert(KEYLESS, row))
    pair.pump()
    pair.run(Delete(KEYLESS, (1, "x"), one=True), Delete(KEYLESS, (None, None), one=True))
    pair.pump()
    assert sorted_rows(pair.secondary.rows(KEYLESS.name)) == sorted_rows([(1, "x"), (1, "x"), (None, None)])


def test_null_inside_a_key_is_not_unique(pair: Pair) -> None:
    pair.needs(LOOSE)
    pair.run(
        *(Insert(LOOSE, (a, b, v)) for a in (1, None) for b in ("x", None) for v in ("1", "2") if (a, b) != (1, "x"))
    )
    pair.run(Insert(LOOSE, (1, "x", "1")))
    pair.pump()
    pair.assert_equal()
    pair.run(Update(LOOSE, (None, "x"), (None, "y", "3")), Delete(LOOSE, (1, None), one=True))
    pair.pump()
    pair.assert_equal()


def test_apply_is_begin_write_and_commit(pair: Pair) -> None:
    """Invariant 4: and so is what it leaves behind where it is refused."""
    for position, many in ((1, 1), (2, 300)):
        rows: list[tuple[Op, Row]] = [(Op.INSERT, (many + n, "a", None)) for n in range(many)]
        assert pair.target.apply(net([Block.of(KEYED, rows)]), Checkpoint(ORIGIN, EPOCH, Position(position))) == 0
    assert len(pair.secondary.rows(KEYED.name)) == 301
    assert pair.target.checkpoint(ORIGIN) == Checkpoint(ORIGIN, EPOCH, Position(2))
    pair.target.apply([], Checkpoint(ORIGIN, EPOCH, Position(3)))
    with pytest.raises(RoleError):
        pair.target.apply(
            net([Block.of(KEYED, [(Op.UPDATE, (1, "b", None))])]), Checkpoint(ORIGIN, EPOCH - 1, Position(4))
        )
    pair.target.rollback()
    elsewhere = TableSchema("elsewhere", KEYED.columns, KEYED.key)
    with pytest.raises(RowRefused):
        pair.target.apply(
            net([Block.of(elsewhere, [(Op.INSERT, (1, "a", None))])]), Checkpoint(ORIGIN, EPOCH, Position(4))
        )
    pair.target.rollback()
    assert pair.target.checkpoint(ORIGIN) == Checkpoint(ORIGIN, EPOCH, Position(3))
    assert (1, "a", None) in pair.secondary.rows(KEYED.name)


@pytest.mark.parametrize("many", [1, 300])
def test_what_the_source_says_of_a_row_need_not_be_so_here(pair: Pair, many: int) -> None:
    """Invariant 4: a row said to be new may be there, and one said to be there may be missing."""
    for n, op in enumerate((Op.INSERT, Op.INSERT, Op.UPDATE, Op.UPDATE)):
        rows: list[tuple[Op, Row]] = [(op, (n * many // 2 + at, f"{n}", None)) for at in range(many)]
        pair.target.apply(net([Block.of(KEYED, rows)]), Checkpoint(ORIGIN, EPOCH, Position(n + 1)))
        kept = {row[0]: row[1] for row in pair.secondary.rows(KEYED.name)}
        assert [kept[row[0]] for _, row in rows] == [f"{n}"] * many


def test_write_ordered_comes_to_the_same_end(pair: Pair) -> None:
    changes: list[tuple[Op, Row]] = [
        (Op.INSERT, (1, "a", None)),
        (Op.UPDATE, (1, ABSENT, 2)),
        (Op.UPSERT, (2, "b", None)),
        (Op.DELETE, (2, ABSENT, ABSENT)),
        (Op.INSERT, (2, "c", None)),
        (Op.UPDATE, (3, "d", None)),
        (Op.DELETE, (4, ABSENT, ABSENT)),
    ]
    loose: list[tuple[Op, Row]] = [
        (Op.INSERT, (None, "x", "1")),
        (Op.INSERT, (None, "x", "2")),
        (Op.UPSERT, (1, None, "3")),
        (Op.DELETE, (None, "x", ABSENT)),
        (Op.INSERT, (None, "x", "4")),
    ]
    pair.target.begin()
    pair.target.write_ordered(Block.of(KEYED, changes).changes())
    pair.target.write_ordered(Block.of(LOOSE, loose).changes())
    pair.target.commit(Checkpoint(ORIGIN, EPOCH, Position(1)))
    assert sorted_rows(pair.secondary.rows(KEYED.name)) == [(1, "a", 2), (2, "c", None), (3, "d", None)]
    assert sorted_rows(pair.secondary.rows(LOOSE.name)) == sorted_rows([(1, None, "3"), (None, "x", "4")])
    pair.target.begin()
    pair.target.write_ordered([Change(KEYED, Op.TRUNCATE, (ABSENT,) * 3)])
    pair.target.commit(Checkpoint(ORIGIN, EPOCH, Position(2)))
    assert pair.secondary.rows(KEYED.name) == []


def test_missing_table_and_column_are_named(pair: Pair) -> None:
    elsewhere = TableSchema("elsewhere", KEYED.columns, KEYED.key)
    wider = TableSchema(KEYED.name, (*KEYED.columns, Column("added", Type(Kind.TEXT))), KEYED.key)
    for schema, row, column in ((elsewhere, (1, "a", None), ""), (wider, (1, "a", None, "b"), "added")):
        pair.target.begin()
        with pytest.raises(RowRefused) as refused:
            pair.target.write(net([Block.of(schema, [(Op.INSERT, row)])]))
        pair.target.rollback()
        assert (refused.value.table, refused.value.column) == (schema.name, column)
        assert refused.value.remedy


def test_tables_are_as_the_catalog_has_them(pair: Pair) -> None:
    assert {name: found for name, found in pair.target.tables().items() if name in pair.tables} == pair.tables


def test_read_range_sees_what_the_open_transaction_wrote(pair: Pair) -> None:
    write(pair, KEYED, *((Op.INSERT, (n, "a", None)) for n in range(5)))
    pair.target.begin()
    pair.target.write(net([Block.of(KEYED, [(Op.DELETE, (2, ABSENT, ABSENT))])]))
    assert pair.target.read_range(KEYED, (0,), (3,))[0] == [1, 3]
    pair.target.rollback()
    assert pair.target.read_range(KEYED, None, None)[0] == [0, 1, 2, 3, 4]
    assert pair.target.read_range(KEYED, (0,), None, 2)[0] == [1, 2]
    assert pair.target.read_range(COMPOSITE, None, None) == ([], [], [])


def test_the_guard_refuses_local_writes_and_names_the_primary(pair: Pair) -> None:
    write(pair, KEYED, (Op.INSERT, (1, "a", None)))
    for step in (Insert(KEYED, (2, "b", None)), Update(KEYED, (1,), (1, "b", None)), Delete(KEYED, (1,))):
        with pytest.raises(Exception, match="make the change on cms-east"):
            pair.secondary.run([step])
    write(pair, KEYED, (Op.UPDATE, (1, "applied", None)))
    assert pair.secondary.rows(KEYED.name) == [(1, "applied", None)]


def test_what_is_applied_is_not_captured_again(pair: Pair) -> None:
    """Invariant 1's other side: no change goes in circles."""
    target = pair.primary.target()
    target.open()
    target.begin()
    target.write(net([Block.of(VALUES, [(Op.INSERT, (1, 2, 3.0, "", b""))])]))
    target.commit(Checkpoint(ORIGIN, EPOCH, Position(1)))
    target.close()
    assert pair.read() == []
    pair.run(Insert(VALUES, (2, 2, 3.0, "", b"")))
    assert [c.key for t in pair.read() for block in t.blocks for c in block.changes()] == [(2,)]


def test_use_of_a_closed_target_is_one_of_our_errors(pair: Pair) -> None:
    pair.target.close()
    pair.target.close()
    with pytest.raises(DatabaseError):
        pair.target.begin()


def test_opening_without_an_installation_is_refused(pair: Pair) -> None:
    site = pair.secondary.site()
    pair.target.close()
    site.uninstall()
    site.close()
    with pytest.raises(AdminSyncError, match="install"):
        pair.secondary.target().open()
