"""A TRUNCATE of the primary leaves the rows alone that a row rule keeps each server's own."""

from __future__ import annotations

import pytest

from adapters.memory import MemoryTarget
from sync.errors import RowRefused
from sync.model.batch import Batch, Commit
from sync.model.change import ABSENT, Block, Op
from sync.model.notice import Applied
from sync.model.position import Position
from sync.model.writes import Writes
from sync.receiver import emptying
from sync.wire.codec import Codec
from tests.unit.receiver.stage import EPOCH, ORIGIN, Stage, of, users
from tests.unit.sample import USERS

OWN = (1000, "own")
TRUNCATE = Block.of(USERS, [(Op.TRUNCATE, (ABSENT, ABSENT)), (Op.INSERT, (7, "new"))])


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """With rows on both sides of the rule, more than are looked at in one piece."""
    monkeypatch.setattr(emptying, "ROWS_MAX", 2)
    made = Stage()
    made.applier.apply([of((1, [users(*((n, "a") for n in range(5)), OWN, (1001, "own"))]))])
    return made


def test_whole_batches(stage: Stage) -> None:
    stage.applier.apply([of((2, [TRUNCATE]))])
    assert stage.users == [(7, "new"), OWN, (1001, "own")]
    assert stage.position == 2


def test_in_parts(stage: Stage) -> None:
    def part(number: int, block: Block) -> Batch:
        commit = (Commit(Position(2), 0, 2 * number + 2),)
        placed = Block(block.schema, block.ops, block.columns, [2 * number + at for at in range(len(block))])
        return Batch(ORIGIN, EPOCH, commit, (placed,), part=number, last=number == 1)

    stage.applier.apply([Codec().encode(part(0, TRUNCATE)), Codec().encode(part(1, users((8, "new"))))])
    assert stage.users == [(7, "new"), (8, "new"), OWN, (1001, "own")]


def test_in_source_order(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the set form is refused."""
    write = MemoryTarget.write

    def refusing(target: MemoryTarget, writes: list[Writes]) -> int:
        if any(each.row_count > 2 for each in writes):
            raise RowRefused("users", "9", "room", "a check")
        return write(target, writes)

    monkeypatch.setattr(MemoryTarget, "write", refusing)
    first = users((9, "gone"), (1002, "own"))
    stage.applier.apply([of((2, [first, TRUNCATE, users((8, "new"), (10, "new"))]))])
    assert stage.users == [(7, "new"), (8, "new"), (10, "new"), OWN, (1001, "own"), (1002, "own")]
    assert [notice.repairs for notice in stage.notices if isinstance(notice, Applied)][-1] == 1
