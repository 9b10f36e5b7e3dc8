"""Batches that are read ahead come to what they would without (invariants 2 to 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import pytest

from adapters.memory import MemoryTarget
from sync.errors import ProtocolError
from sync.model.batch import COPYING, Batch, Checkpoint, Commit, Encoded
from sync.model.change import Block, Op
from sync.model.lines import Lines
from sync.model.position import Position
from sync.model.tuples import Tuples
from sync.receiver.reading import LINES_ROWS_MIN, Ahead, lines_of, read
from sync.wire.codec import Codec
from tests.unit.model.test_tuples import packed
from tests.unit.receiver.stage import EPOCH, ORIGIN, Stage, of, users
from tests.unit.sample import USERS

MANY = LINES_ROWS_MIN


class Later(Executor):
    """Does what it was given when told to."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        future: Future[Any] = Future()

        def call() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except ProtocolError as error:
                future.set_exception(error)

        self.calls.append(call)
        return future

    def go_on(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Loading(MemoryTarget):
    """Takes lines, or says that they are not so."""

    loads = True
    accepts = True

    def load(self, lines: Sequence[Lines], checkpoint: Checkpoint | None) -> bool:
        if self.accepts:
            if checkpoint is not None:
                self.begin()
            self.loaded += lines
            if checkpoint is not None:
                self.commit(checkpoint)
        return self.accepts

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.database)
        self.loaded: list[Lines] = []
        stage.applier.target = stage.applier.tables.target = self
        self.open()


def raw(position: int, first: int, count: int = MANY, op: Op = Op.INSERT, **fields: object) -> Encoded:
    rows = [(str(first + n).encode(), b"room") for n in range(count)]
    block = Block(USERS, bytes([op]) * count, Tuples(USERS, packed(rows), count), range(count))
    commits = (Commit(Position(position), 0, count),)
    return Codec().encode(Batch(ORIGIN, EPOCH, commits, (block,), **fields))  # type: ignore[arg-type]


def test_no_more_than_one_batch_is_read_ahead_and_each_comes_in_its_turn() -> None:
    """Invariant 7."""
    thread, batches = Later(), [raw(n, n * MANY) for n in range(1, 6)]
    ahead = Ahead(thread, Codec())
    for batch in batches:
        ahead.offer(batch)
    assert len(thread.calls) == 1
    for number, batch in enumerate(batches, 1):
        thread.go_on()
        found = ahead.take(batch)
        assert found is not None
        assert found.batch.position == number
        assert lines_of([found]) == lines_of([read(Codec(), batch, opening=False)])
    assert ahead.take(batches[0]) is None


def test_a_small_batch_or_one_before_its_turn_is_read_by_who_wants_it() -> None:
    thread, (*large, wanted) = Later(), [raw(n, n * MANY) for n in range(1, 4)]
    ahead, small = Ahead(thread, Codec()), of((9, [users((1, "a"))]))
    for batch in (*large, wanted, small):
        ahead.offer(batch)
    assert ahead.take(small) is None
    assert ahead.take(wanted) is None
    for batch in large:
        thread.go_on()
        assert ahead.take(batch) is not None
    assert thread.calls == []


def test_what_is_malformed_is_told_to_who_takes_it() -> None:
    thread = Later()
    ahead, bad = Ahead(thread, Codec()), replace(raw(1, 0), transactions=7)
    ahead.offer(bad)
    thread.go_on()
    with pytest.raises(ProtocolError, match="transactions 7 instead of 1"):
        ahead.take(bad)


def test_lines_of_several_batches_are_loaded_together_and_commit_with_the_checkpoint() -> None:
    stage = Stage()
    target = Loading(stage)
    stage.applier.apply([of((1, [users((999, "a"))]))])
    stage.applier.apply([raw(2, 0, MANY // 2), raw(3, MANY // 2, MANY // 2)])
    assert [(each.said, each.rows) for each in target.loaded] == [(Op.INSERT, MANY)]
    assert stage.position == 3


@pytest.mark.parametrize("accepts", [True, False])
def test_the_parts_of_a_transaction_are_loaded_one_by_one(accepts: bool) -> None:
    """Invariant 2."""
    stage = Stage()
    target = Loading(stage)
    target.accepts = accepts
    stage.applier.apply([raw(5, 0, last=False), raw(5, MANY, MANY, part=1, last=False)])
    assert stage.position == 0
    stage.applier.apply([raw(5, 2 * MANY, part=2)])
    assert stage.position == 5
    assert (len(target.loaded), len(stage.users)) == ((3, 0) if accepts else (0, 3 * MANY))


def test_what_is_not_as_it_was_said_is_written_as_values() -> None:
    stage = Stage()
    Loading(stage).accepts = False
    stage.applier.apply([raw(1, 0), raw(2, 0, op=Op.UPDATE)])
    assert len(stage.users) == MANY
    assert stage.position == 2


def test_few_rows_and_those_of_a_table_that_is_being_copied_are_written_as_values() -> None:
    """A row out of date may have to give way, which only values can tell."""
    stage = Stage()
    target = Loading(stage)
    stage.applier.apply([raw(1, 0, MANY - 1)])
    stage.applier.apply([raw(2, MANY, marks=(COPYING + "users",))])
    stage.applier.apply([raw(3, 2 * MANY), of((4, [users((999, "a"))]))])
    assert target.loaded == []
    assert len(stage.users) == 3 * MANY
