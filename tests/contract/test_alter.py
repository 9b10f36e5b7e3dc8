"""What the ports promise of tables that are altered and made, for every adapter, as target and as source."""

from __future__ import annotations

import pytest

from sync.core.net import net
from sync.errors import AdminSyncError, CatalogChanged, TableRefused
from sync.model.alteration import AddColumn, CreateTable, WidenColumn
from sync.model.batch import Checkpoint, Transaction
from sync.model.change import ABSENT, Block, Op, Row
from sync.model.position import Position
from sync.model.schema import Column, Kind, TableSchema, Type
from tests.contract.pair import EPOCH, KEYED, Pair, table
from tests.contract.servers import Insert

ORIGIN = "somewhere"
LATER = Column("later", Type(Kind.INT64))
LONGER = TableSchema(KEYED.name, (*KEYED.columns, LATER), KEYED.key)
MADE = table("Made later", (0,), ("id", Kind.INT64, False), ("text", Kind.TEXT, True), ("bytes", Kind.BYTES, True))
EVERY_TYPE = TableSchema(
    "every type",
    tuple(
        Column(f"c{at}", each, nullable=at > 0)
        for at, each in enumerate(
            (
                Type(Kind.INT64),
                Type(Kind.BOOL),
                Type(Kind.INT16),
                Type(Kind.INT32),
                Type(Kind.FLOAT),
                Type(Kind.CHAR, 5),
                Type(Kind.VARCHAR, 20),
                Type(Kind.TEXT),
                Type(Kind.TEXT, qualifier="inet"),
                Type(Kind.TEXT, qualifier="integer[]"),
                Type(Kind.TEXT, qualifier="no such type; DROP TABLE keyed"),
                Type(Kind.BYTES),
                Type(Kind.DECIMAL),
                Type(Kind.DECIMAL, 10, 2),
                Type(Kind.MONEY, 19, 2),
                Type(Kind.DATE),
                Type(Kind.TIME, qualifier="hour to second"),
                Type(Kind.DATETIME, qualifier="year to fraction(3)"),
                Type(Kind.DATETIME, qualifier="year to fraction(6) with time zone"),
                Type(Kind.INTERVAL),
                Type(Kind.INTERVAL, qualifier="day to second(3)"),
                Type(Kind.UUID),
                Type(Kind.JSON),
                Type(Kind.ANY),
            )
        )
    ),
    (0,),
)


def commit(pair: Pair, position: int = 1) -> None:
    pair.target.commit(Checkpoint(ORIGIN, EPOCH, Position(position)))


def put(pair: Pair, schema: TableSchema, *rows: Row) -> None:
    pair.target.write(net([Block.of(schema, [(Op.UPSERT, row) for row in rows])]))


def test_a_table_is_made_with_its_first_rows_and_guarded(pair: Pair) -> None:
    row = (1, "a", b"\0")
    pair.target.begin()
    pair.target.alter(MADE, (CreateTable(MADE),))
    put(pair, MADE, row)
    commit(pair)
    assert pair.secondary.rows(MADE.name) == [row]
    assert pair.target.tables()[MADE.name].key_names == ("id",)
    with pytest.raises(Exception, match="make the change on cms-east"):
        pair.secondary.run([Insert(MADE, (2, "b", None))])


def test_a_column_comes_with_its_first_rows_and_older_rows_are_written_on(pair: Pair) -> None:
    pair.target.begin()
    put(pair, KEYED, (1, "a", 1))
    pair.target.alter(LONGER, (AddColumn(LATER),))
    put(pair, LONGER, (2, "b", 2, 22))
    put(pair, KEYED, (2, "c", 3), (3, "d", 4))
    commit(pair)
    assert sorted(pair.secondary.rows(KEYED.name)) == [(1, "a", 1, None), (2, "c", 3, 22), (3, "d", 4, None)]


def test_what_was_altered_is_undone_with_the_transaction(pair: Pair) -> None:
    """Invariant 2."""
    pair.target.begin()
    pair.target.alter(LONGER, (AddColumn(LATER),))
    pair.target.alter(MADE, (CreateTable(MADE),))
    pair.target.note(KEYED.name, "longer")
    put(pair, LONGER, (2, "b", 2, 22))
    pair.target.rollback()
    assert pair.target.tables()[KEYED.name].column_names == KEYED.column_names
    assert MADE.name not in pair.target.tables()
    assert pair.target.notes() == {}
    pair.target.begin()
    put(pair, KEYED, (1, "a", 1))
    commit(pair)
    assert pair.secondary.rows(KEYED.name) == [(1, "a", 1)]


def test_a_refused_alteration_leaves_table_and_transaction_as_they_were(pair: Pair) -> None:
    pair.target.begin()
    put(pair, KEYED, (1, "a", 1))
    with pytest.raises(TableRefused) as refused:
        pair.target.alter(LONGER, (AddColumn(LATER), AddColumn(KEYED.columns[1])))
    assert refused.value.table == KEYED.name
    put(pair, KEYED, (2, "b", 2))
    commit(pair)
    assert sorted(pair.secondary.rows(KEYED.name)) == [(1, "a", 1), (2, "b", 2)]


def test_notes_outlive_the_connection(pair: Pair) -> None:
    for text in ("one", "two"):
        pair.target.begin()
        pair.target.note("a:table", text)
        commit(pair)
    pair.target.close()
    pair.target.open()
    assert pair.target.notes() == {"a:table": "two"}


def test_every_logical_type_has_a_column_that_is_what_is_said_of_it(pair: Pair) -> None:
    """So that a table that was made from the stream never seems to differ from it."""
    pair.target.begin()
    pair.target.alter(EVERY_TYPE, (CreateTable(EVERY_TYPE),))
    commit(pair)
    found = {column.name: column.type for column in pair.target.tables()[EVERY_TYPE.name].columns}
    assert found == {column.name: pair.target.own_type(column.type) for column in EVERY_TYPE.columns}
    assert KEYED.name in pair.target.tables()


def test_a_column_is_widened_under_its_values(pair: Pair) -> None:
    narrow = table("narrow", (0,), ("id", Kind.INT16, False), ("n", Kind.INT16, True))
    wide = table("narrow", (0,), ("id", Kind.INT16, False), ("n", Kind.INT64, True))
    pair.target.begin()
    pair.target.alter(narrow, (CreateTable(narrow),))
    put(pair, narrow, (1, 7))
    pair.target.alter(wide, (WidenColumn(wide.columns[1]),))
    put(pair, wide, (2, 1 << 40))
    commit(pair)
    assert sorted(pair.secondary.rows("narrow")) == [(1, 7), (2, 1 << 40)]


def test_a_source_gives_nothing_in_a_schema_that_the_table_has_no_more(pair: Pair) -> None:
    """Invariants 1 and 3: opened anew, it gives all of it in order, in the new one."""
    pair.run(Insert(KEYED, (1, "a", 1)))
    pair.pump()
    pair.run(Insert(KEYED, (2, "b", 2)))
    pair.primary.extend(LONGER, 5)
    pair.run(Insert(LONGER, (3, "c", 3, 33)))
    given: list[Transaction] = []
    with pytest.raises(CatalogChanged):
        given.extend(each for _ in range(2) for each in pair.source.read())
    assert 3 not in {change.key[0] for made in given for block in made.blocks for change in block.changes()}
    pair.tables[KEYED.name] = LONGER
    site = pair.primary.site()
    site.adapt_capture(pair.tables, {KEYED.name})
    assert site.adapt_capture(pair.tables, {KEYED.name}) is False
    site.close()
    pair.reopen()
    rows = {change.key[0]: change.row for made in pair.read() for block in made.blocks for change in block.changes()}
    assert rows[3] == (3, "c", 3, 33)
    assert rows[2][:3] == (2, "b", 2)
    assert rows[2][3] in {5, ABSENT}, "it did not have the column when it was written"


def test_a_table_that_is_made_is_noticed_and_captured_once_it_is_adapted_to(pair: Pair) -> None:
    pair.primary.create([MADE])
    with pytest.raises(CatalogChanged):
        all(pair.source.wait(0.05) is False for _ in range(100))
    pair.tables[MADE.name] = MADE
    pair.source.close()
    site = pair.primary.site()
    assert site.adapt_capture(pair.tables, {MADE.name}) is True
    site.close()
    pair.reopen()
    pair.run(Insert(MADE, (1, "a", None)))
    assert [block.schema for made in pair.read() for block in made.blocks] == [MADE]


def test_only_what_is_installed_is_adapted(pair: Pair) -> None:
    """An uninstalled database stays so, whatever still runs."""
    pair.source.close()
    site = pair.primary.site()
    site.uninstall()
    assert site.adapt_capture(pair.tables, ()) is False
    assert pair.primary.traces() == []
    site.close()
    with pytest.raises(AdminSyncError):
        pair.source.open(pair.tables, Position(0))
