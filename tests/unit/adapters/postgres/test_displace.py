"""Rows out of date that stand in the way of a copy: `Writes.displace`, and that nothing goes without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from sync.core.net import net
from sync.errors import RowRefused
from sync.model.batch import Checkpoint
from sync.model.change import Block, Op, Row
from sync.model.position import Position
from sync.model.schema import TableSchema
from tests.unit.adapters.postgres.secondary import ARRAY_ROWS_MAX, Secondary

pytestmark = pytest.mark.postgres

Make = Callable[..., Secondary]
MANY = ARRAY_ROWS_MAX + 10
NAMED = "CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE, own text DEFAULT 'new')"


def displace(on: Secondary, rows: Sequence[Row], schema: TableSchema | None = None) -> int:
    """Upsert rows before which others give way; gives the repairs."""
    block = Block.of(schema or on.tables["t"], [(Op.UPSERT, row) for row in rows])
    on.target.begin()
    try:
        repairs = on.target.write([replace(each, displace=True) for each in net([block])])
        on.target.commit(Checkpoint("somewhere", 1, Position(9)))
    except BaseException:
        on.target.rollback()
        raise
    return repairs


@pytest.mark.parametrize("count", [3, MANY], ids=["arrays", "copy"])
def test_rows_outside_of_the_set_give_way_and_all_others_stay(secondary: Make, count: int) -> None:
    """Invariant 1: a copy gets through although later rows hold its names; each row that went is counted."""
    on = secondary(NAMED)
    named = on.schema("t", "id", "name")
    held = [(n, f"name {n}") for n in range(2 * count)]
    on.write(named, *((Op.UPSERT, row) for row in [*held, (-1, "bystander")]))
    on.app.execute("ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET own = 'mine'; ALTER TABLE t ENABLE TRIGGER ALL")
    # The first half takes the names of the second, and one row of the set is new.
    wanted = [(n, f"name {n + count}") for n in range(count)]
    assert displace(on, [*wanted, (10**6, "name 0")], named) == 1 + count
    mine = [(n, name, "mine") for n, name in [(-1, "bystander"), *wanted]]
    assert on.ask("SELECT * FROM t ORDER BY id") == [*mine, (10**6, "name 0", "new")]


def test_without_the_mark_the_row_that_is_in_the_way_stays_and_is_shown(secondary: Make) -> None:
    """Invariant 1: outside of a copy it is a person's to judge."""
    on = secondary(NAMED)
    on.put("t", [(1, "a", "x"), (9, "taken", "x")])
    with pytest.raises(RowRefused) as refused:
        on.put("t", [(1, "taken", "x")])
    assert (refused.value.table, refused.value.key, refused.value.column) == ("t", "(id=1)", "name")
    assert on.ask("SELECT * FROM t ORDER BY id") == [(1, "a", "x"), (9, "taken", "x")]


@pytest.mark.parametrize(
    ("ddl", "held", "wanted", "stays"),
    [
        ("a int, b text, UNIQUE (a, b)", [(5, 1, "x"), (6, 1, "y"), (7, None, "x")], (1, 1, "x"), {6, 7}),
        ("a int, b text; CREATE UNIQUE INDEX ON t (lower(b), a)", [(5, 1, "Ab"), (6, 2, "Ab")], (1, 1, "aB"), {6}),
        ("a int, b text; CREATE UNIQUE INDEX ON t (b) WHERE a > 0", [(5, 1, "x"), (6, -1, "x")], (1, 2, "x"), {6}),
        ("a int UNIQUE, b text UNIQUE", [(5, 1, "x"), (6, 2, "y"), (7, 3, "z")], (1, 1, "y"), {7}),
        ("a int, b varchar(5), c text GENERATED ALWAYS AS (a || b) STORED UNIQUE", [(5, 1, "x")], (1, 1, "x"), set()),
        ("a int NOT NULL, b char(4) UNIQUE, o int NOT NULL DEFAULT 7", [(5, 1, "x"), (6, 2, None)], (1, 1, "x"), {6}),
    ],
    ids=["several columns", "expression", "partial", "two indexes", "generated", "default"],
)
def test_every_kind_of_unique_index_is_seen(
    secondary: Make, ddl: str, held: list[Row], wanted: Row, stays: set[int]
) -> None:
    """Invariant 1: only what can not stand beside the set goes."""
    columns, _, index = ddl.partition(";")
    on = secondary(f"CREATE TABLE t (id int PRIMARY KEY, {columns});{index}")
    schema = on.schema("t", "id", "a", "b")
    on.write(schema, *((Op.UPSERT, row) for row in held))
    assert displace(on, [wanted], schema) == 1 + len(held) - len(stays)
    assert on.ask("SELECT id, a, rtrim(b) FROM t WHERE id = 1") == [wanted]
    assert {number for (number,) in on.ask("SELECT id FROM t WHERE id <> 1")} == stays


def test_a_row_at_fault_is_still_named_and_then_nothing_went(secondary: Make) -> None:
    """Invariant 2: two rows of the set that want one name, or one that breaks a check, are no matter of age."""
    on = secondary("CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE, n int NOT NULL CHECK (n < 10))")
    on.put("t", [(9, "taken", 1)])
    for rows, column in (([(1, "taken", 1), (2, "taken", 1)], "name"), ([(1, "a", 1), (2, "taken", None)], "n")):
        with pytest.raises(RowRefused) as refused:
            displace(on, rows)
        assert (refused.value.key, refused.value.column) == ("(id=2)", column)
        assert on.ask("SELECT * FROM t") == [(9, "taken", 1)]


def test_a_partitioned_table_is_displaced_in_all_its_partitions(secondary: Make) -> None:
    on = secondary(
        "CREATE TABLE t (id int, name text, PRIMARY KEY (id), UNIQUE (id, name)) PARTITION BY RANGE (id);"
        "CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE high PARTITION OF t DEFAULT"
    )
    keyed = TableSchema("t", on.tables["t"].columns, (0, 1))
    on.write(keyed, (Op.UPSERT, (1, "a")), (Op.UPSERT, (50, "b")))
    assert displace(on, [(1, "c"), (50, "d")], keyed) == 3
    assert on.ask("SELECT * FROM t ORDER BY id") == [(1, "c"), (50, "d")]
