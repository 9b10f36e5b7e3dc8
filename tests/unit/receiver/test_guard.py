"""The inbound wall trusts nothing but this node's own configuration (invariants 5 and 6)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sync.core.digest import EMPTY
from sync.core.filter import Filter, Selection
from sync.errors import PeerRefused, ProtocolError
from sync.model.batch import Batch, Chunk, Commit, Purpose
from sync.model.change import Block, Columns
from sync.model.notice import CallDataRefused, Notice
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.receiver.guard import Guard
from tests.unit.receiver.stage import EPOCH, ORIGIN
from tests.unit.sample import SELECTION, USERS


class Told(list[Notice]):
    def notice(self, notice: Notice) -> None:
        self.append(notice)


def batch(*schemas: TableSchema, origin: str = ORIGIN, epoch: int = EPOCH, chunk: TableSchema | None = None) -> Batch:
    blocks = tuple(Block(schema, b"", tuple([] for _ in schema.columns), []) for schema in schemas)
    empty: Columns = tuple([] for _ in chunk.columns) if chunk else ()
    chunks = (Chunk(1, 0, chunk, Purpose.DIGEST, None, None, empty, 0, EMPTY),) if chunk else ()
    return Batch(origin, epoch, (Commit(Position(1), 0, 0),), blocks, chunks)


def named(table: str, *columns: str) -> TableSchema:
    return TableSchema(table, tuple(Column(name, Type(Kind.INT64)) for name in columns))


def test_what_the_configuration_allows_passes() -> None:
    told = Told()
    Guard(Filter(SELECTION), told).check(batch(USERS, chunk=USERS), ORIGIN, EPOCH)
    Guard(Filter(SELECTION), told).check(batch(USERS, epoch=EPOCH - 1), ORIGIN, EPOCH)
    assert told == []


@pytest.mark.parametrize(
    "refused",
    [
        batch(USERS, named("hsplit", "split")),
        batch(chunk=named("hsplit", "split")),
        batch(named("unheard_of", "a")),
        batch(named("USERS.hagent", "a")),
    ],
    ids=["call table", "chunk of a call table", "table nobody listed", "qualified call table"],
)
def test_what_it_does_not_is_refused_and_reported(refused: Batch) -> None:
    """Invariant 5: the third wall, in changes and chunks alike."""
    told = Told()
    with pytest.raises(PeerRefused) as failure:
        Guard(Filter(SELECTION), told).check(refused, ORIGIN, EPOCH)
    assert failure.value.code == "call_data"
    assert [notice.wall for notice in told if isinstance(notice, CallDataRefused)] == ["inbound"]


def test_structure_and_local_columns_are_refused_whatever_the_name() -> None:
    """Invariant 5, structural rule: call data under an allowed name, and a column that stays at home."""
    guard = Guard(Filter(Selection()), Told())
    for schema in (named("users", "row_date", "acd"), named("timetables", "user_id", "run_on")):
        with pytest.raises(PeerRefused):
            guard.check(batch(schema), ORIGIN, EPOCH)


def test_another_history_or_a_higher_epoch_breaks_the_protocol() -> None:
    """Invariant 6: a session's batches are those of its hello."""
    guard = Guard(Filter(SELECTION), Told())
    for false in (batch(USERS, origin="west-1"), batch(USERS, epoch=EPOCH + 1)):
        with pytest.raises(ProtocolError):
            guard.check(false, ORIGIN, EPOCH)


@pytest.mark.parametrize(
    "false",
    [{"digest": b"short"}, {"after": (5,), "upto": (3,)}],
    ids=["no digest", "a range that ends before it starts"],
)
def test_a_chunk_that_can_not_be_decides_nothing(false: dict[str, object]) -> None:
    """Invariant 1: what a chunk states is what the target deletes by."""
    empty: Columns = tuple([] for _ in USERS.columns)
    chunk = replace(Chunk(1, 0, USERS, Purpose.REPLACE, None, None, empty, 0, EMPTY), **false)  # type: ignore[arg-type]
    with pytest.raises(ProtocolError, match="can not be"):
        Guard(Filter(SELECTION), Told()).check(replace(batch(), chunks=(chunk,)), ORIGIN, EPOCH)
