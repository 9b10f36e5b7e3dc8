"""What the reference adapter offers to simulations: faults, and the loss of what was not flushed."""

from __future__ import annotations

import pytest

from adapters.memory import MemoryDatabase, MemorySite, MemorySource, MemoryTarget
from sync.core.net import net
from sync.errors import DatabaseBusy
from sync.model.batch import Checkpoint
from sync.model.change import Block, Change, Op
from sync.model.position import START, Position
from sync.model.schema import Column, Kind, TableSchema, Type

TABLE = TableSchema("t", (Column("id", Type(Kind.INT64), nullable=False), Column("v", Type(Kind.ANY))), (0,))


def apply(target: MemoryTarget, position: int) -> None:
    """Apply one row named after its position."""
    target.begin()
    target.write(net([Block.of(TABLE, [(Op.INSERT, (position, "x"))])]))
    target.commit(Checkpoint("o", 1, Position(position)))


def test_a_crash_takes_rows_and_checkpoint_back_to_the_last_flush() -> None:
    """Invariants 4 and 9."""
    database = MemoryDatabase([TABLE])
    MemorySite(database).install_guard({"t": TABLE}, "east")
    target = MemoryTarget(database)
    target.open()
    apply(target, 1)
    target.flush()
    apply(target, 2)
    assert target.checkpoint("o") == Checkpoint("o", 1, Position(2))
    database.crash()
    assert database.rows("t") == [(1, "x")]
    assert target.checkpoint("o") == Checkpoint("o", 1, Position(1))


def test_errors_that_were_asked_for_come_once_each() -> None:
    database = MemoryDatabase([TABLE])
    MemorySite(database).install_capture({"t": TABLE})
    source = MemorySource(database)
    source.open({"t": TABLE}, START)
    database.commit([Change(TABLE, Op.INSERT, (1, "x"))])
    database.fail_next = [DatabaseBusy("locked")]
    with pytest.raises(DatabaseBusy):
        list(source.read())
    assert len(list(source.read())) == 1
