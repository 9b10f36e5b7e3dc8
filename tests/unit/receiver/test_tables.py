"""The tables of the stream: followed in the rows' own transaction, or paused alone (invariants 1, 2, 4 and 10)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.digest import digest
from sync.errors import DatabaseBusy, TableRefused
from sync.model.batch import COPYING, PAUSED, Chunk, Purpose
from sync.model.change import Block, Columns, Op, Row
from sync.model.notice import ChangesSkipped, SchemaFollowed, TablePaused, TableResumed
from sync.model.schema import Column, Kind, TableSchema, Type
from sync.receiver.notebook import Page, Paused, read, written
from tests.unit.receiver.stage import EPOCH, ORIGIN, Stage, lines, of, users
from tests.unit.sample import LINES, USERS

ROOM = USERS.columns[1]
LARGER = TableSchema("users", (*USERS.columns, Column("floor", Type(Kind.INT32))), USERS.key)
SMALLER = TableSchema("users", USERS.columns[:1], USERS.key)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def put(schema: TableSchema, *rows: Row) -> Block:
    return Block.of(schema, [(Op.UPSERT, row) for row in rows])


def chunk(
    schema: TableSchema, *rows: Row, purpose: Purpose = Purpose.REPLACE, after: Row | None = None, number: int = 0
) -> Chunk:
    columns: Columns = tuple([row[at] for row in rows] for at in range(len(schema.columns)))
    sent: Columns = tuple([] for _ in columns) if purpose is Purpose.DIGEST else columns
    return Chunk(1, number, schema, purpose, after, None, sent, len(rows), digest(schema, columns))


def told(stage: Stage, kind: type) -> list[object]:
    return [notice for notice in stage.notices if isinstance(notice, kind)]


def paused(stage: Stage) -> list[str]:
    return sorted(stage.applier.tables.paused)


def test_columns_and_tables_come_with_the_first_rows_that_have_them(stage: Stage) -> None:
    stage.applier.apply([of((1, [users((1, "a"))])), of((2, [put(LARGER, (2, "b", 7))]))])
    assert stage.users == [(1, "a", None), (2, "b", 7)]
    assert told(stage, SchemaFollowed) == [SchemaFollowed("users", "column floor added")]
    assert paused(stage) == []


def test_following_is_undone_with_the_transaction(stage: Stage) -> None:
    """Invariant 2: no reader sees a table in a form that its rows do not have."""
    stage.database.fail_next = []
    refusing = stage.target.commit

    def busy(checkpoint: object) -> None:
        raise DatabaseBusy("it is busy")

    stage.target.commit = busy  # type: ignore[method-assign]
    with pytest.raises(DatabaseBusy):
        stage.applier.apply([of((1, [put(LARGER, (2, "b", 7))]))])
    assert stage.database.tables["users"] == USERS
    assert told(stage, SchemaFollowed) == []
    stage.target.commit = refusing  # type: ignore[method-assign]
    stage.applier.apply([of((1, [put(LARGER, (2, "b", 7))]))])
    assert stage.users == [(2, "b", 7)]


def test_the_parts_of_a_large_transaction_may_bring_a_column(stage: Stage) -> None:
    """A transaction that alters and writes applies in order."""
    stage.applier.apply([of((5, [users((1, "a"))]), last=False), of((5, [put(LARGER, (2, "b", 7))]), part=1)])
    assert stage.users == [(1, "a", None), (2, "b", 7)]


def test_a_paused_table_is_left_out_and_all_others_go_on(stage: Stage) -> None:
    stage.applier.apply([of((1, [users((1, "a"))]))])
    stage.applier.apply([of((2, [put(SMALLER, (2,)), lines((1, "x"))]))])
    stage.applier.apply([of((3, [put(SMALLER, (3,), (4,))]))])
    assert (stage.users, stage.lines, stage.position) == ([(1, "a")], [(1, "x")], 3)
    (notice,) = told(stage, TablePaused)
    assert isinstance(notice, TablePaused)
    assert (notice.table, notice.difference) == ("users", "column room of users is gone on the primary")
    assert told(stage, ChangesSkipped) == [ChangesSkipped("users", 1), ChangesSkipped("users", 2)]


def test_a_pause_outlives_the_process(stage: Stage) -> None:
    stage.applier.apply([of((1, [users((1, "a"))])), of((2, [put(SMALLER, (2,))]))])
    later = Stage(stage.database)
    later.applier.restart(ORIGIN, EPOCH)
    assert paused(later) == ["users"]
    later.applier.apply([of((3, [put(SMALLER, (5,))]))])
    assert later.users == [(1, "a")]


@pytest.mark.parametrize("purpose", [Purpose.DIGEST, Purpose.COMPARE])
def test_nobody_takes_a_paused_table_for_equal(stage: Stage, purpose: Purpose) -> None:
    """Invariant 10: not even where the rows happen to be the same."""
    stage.applier.apply([of((1, [users((1, "a"))])), of((2, [put(SMALLER, (1,))]))])
    outcome = stage.applier.apply([of((3, []), chunks=(chunk(SMALLER, (1,), purpose=purpose),))])
    (result,) = outcome.results
    assert (result.equal, [each.what for each in result.differences]) == (False, [PAUSED])


def test_a_table_goes_on_with_the_first_chunk_of_a_copy_once_its_cause_is_gone(stage: Stage) -> None:
    """Invariant 1: what was left out is in the copy, and what comes later is written."""
    stage.applier.apply([of((1, [users((1, "a"))])), of((2, [put(SMALLER, (2,))]))])
    assert stage.applier.tables.resumable() == []
    copying = (COPYING + "users",)
    stage.applier.apply([of((3, []), chunks=(chunk(SMALLER, (1,), (2,)),), marks=copying)])
    assert stage.users == [(1, "a")], "the cause is still there"
    stage.database.define(SMALLER)
    assert stage.applier.tables.resumable() == ["users"]
    stage.applier.apply([of((4, [put(SMALLER, (3,))]))])
    assert stage.users == [(1,)], "without a copy rows would be missing"
    stage.applier.apply([of((5, []), chunks=(chunk(SMALLER, (3,), after=(2,), number=1),), marks=copying)])
    assert stage.users == [(1,)], "the middle of a copy does not bring all of them"
    stage.applier.apply([of((6, []), chunks=(chunk(SMALLER, (1,), (2,), (3,)),), marks=copying)])
    stage.applier.apply([of((7, [put(SMALLER, (4,))]))])
    assert stage.users == [(1,), (2,), (3,), (4,)]
    assert (paused(stage), told(stage, TableResumed)) == ([], [TableResumed("users")])


def test_a_repair_of_one_range_ends_no_pause(stage: Stage) -> None:
    stage.applier.apply([of((1, [users((1, "a"))])), of((2, [put(SMALLER, (2,))]))])
    stage.database.define(SMALLER)
    stage.applier.apply([of((3, []), chunks=(chunk(SMALLER, (1,), (2,)),))])
    assert (paused(stage), stage.users) == (["users"], [(1,)])


def test_the_primary_may_take_its_change_back(stage: Stage) -> None:
    stage.applier.apply([of((1, [users((1, "a"))])), of((2, [put(SMALLER, (2,))]))])
    stage.applier.apply([of((3, [users((3, "c"))]))])
    assert stage.users == [(1, "a")], "the change before this one is still missing"
    assert stage.applier.tables.resumable() == ["users"]
    marks = (COPYING + "users",)
    stage.applier.apply([of((4, []), chunks=(chunk(USERS, (1, "a"), (2, None), (3, "c")),), marks=marks)])
    assert stage.users == [(1, "a"), (2, None), (3, "c")]


def test_what_the_database_refuses_to_alter_pauses_the_table(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(schema: TableSchema, steps: object) -> None:
        raise TableRefused(schema.name, "must be owner of table users", "Run ALTER TABLE")

    with monkeypatch.context() as without_rights:
        without_rights.setattr(stage.target, "alter", refusing)
        stage.applier.apply([of((1, [put(LARGER, (1, "a", 1)), lines((1, "x"))]))])
        (notice,) = told(stage, TablePaused)
        assert isinstance(notice, TablePaused)
        assert "must be owner of table users" in notice.difference
        assert stage.applier.tables.resumable() == []
    assert stage.lines == [(1, "x")]
    assert stage.applier.tables.resumable() == ["users"]
    assert stage.database.tables["users"] == USERS, "finding out leaves nothing behind"


@given(st.text(max_size=5), st.sampled_from(Kind), st.integers(0, 9), st.booleans(), st.text(max_size=9))
def test_a_page_is_read_as_it_was_written(name: str, kind: Kind, length: int, nullable: bool, words: str) -> None:
    schema = TableSchema("t", (Column(name, Type(kind, length, 1, words), nullable),), (0,))
    for page in (Page(), Page(schema), Page(schema, Paused(replace(schema, key=()), words, name, length))):
        assert read(written(page)) == page


@given(st.one_of(st.text(), st.sampled_from(['{"schema": 1}', '{"schema": ["t"], "pause": [1]}', "[]", "null", "{}"])))
def test_a_page_that_can_not_be_read_is_an_empty_one(text: str) -> None:
    assert read(text) == Page()


def test_lines_without_a_key_are_followed_too(stage: Stage) -> None:
    longer = TableSchema("lines", (*LINES.columns, Column("more", Type(Kind.TEXT))))
    stage.applier.apply([of((1, [lines((1, "x"))])), of((2, [Block.of(longer, [(Op.INSERT, (1, "x", "y"))])]))])
    assert stage.lines == [(1, "x", None), (1, "x", "y")]
