"""Invariant 1 against SQLite's corners: every way in which a row can change or vanish is noted by a trigger."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.adapters.sqlite.twin import Twin, keys_of

MakeTwin = Callable[..., Twin]

NAMED = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, note TEXT); CREATE UNIQUE INDEX t_name ON t (name);"
FIRST = "INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', 'z')"


@pytest.mark.parametrize("recursive", ["OFF", "ON"])
@pytest.mark.parametrize(
    "ddl",
    [
        NAMED,
        NAMED.replace("id INTEGER PRIMARY KEY", "id INT NOT NULL PRIMARY KEY"),
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, note TEXT) STRICT",
        "CREATE TABLE t (id INT PRIMARY KEY, name TEXT UNIQUE, note TEXT) WITHOUT ROWID",
        "CREATE TABLE t (id, name TEXT, note TEXT, UNIQUE (name))",
        "CREATE TABLE t (id INT PRIMARY KEY, name TEXT UNIQUE, note TEXT)",
    ],
)
def test_replace_through_another_unique_index(twin: MakeTwin, ddl: str, recursive: str) -> None:
    pair = twin(ddl).start()
    pair.run(f"PRAGMA recursive_triggers = {recursive}", FIRST)
    pair.sync()
    pair.run("INSERT OR REPLACE INTO t VALUES (9, 'a', 'new')")
    pair.sync()
    pair.run("UPDATE OR REPLACE t SET name = 'c' WHERE id = 2")
    pair.sync()
    pair.run("REPLACE INTO t VALUES (9, 'c', 'both')")
    pair.sync()
    assert len(pair.other.execute("SELECT * FROM t").fetchall()) == len(pair.app.execute("SELECT * FROM t").fetchall())


def test_replace_removes_several_rows_at_once(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b UNIQUE, c, UNIQUE (c, a))").start()
    pair.run("INSERT INTO t VALUES (1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3), (4, 4, 4, 4)")
    pair.sync()
    pair.run("INSERT OR REPLACE INTO t VALUES (1, 2, 3, 4)")
    pair.sync()
    assert pair.other.execute("SELECT id FROM t ORDER BY id").fetchall() == [(1,), (4,)]


@pytest.mark.parametrize(
    "index",
    [
        "CREATE UNIQUE INDEX i ON t (lower(name))",
        "CREATE UNIQUE INDEX i ON t (name COLLATE NOCASE)",
        "CREATE UNIQUE INDEX i ON t (name COLLATE NOCASE DESC, substr(note, 1, 0))",
        "CREATE UNIQUE INDEX i ON t ((name || '-name') COLLATE NOCASE)",
        "CREATE UNIQUE INDEX i ON t (json_extract('{\"name\": 1}', '$.name'), upper(\"name\"))",
        "CREATE UNIQUE INDEX i ON t (name COLLATE NOCASE) WHERE note IS NOT NULL AND id > 0",
    ],
)
def test_replace_through_expressions_collations_and_conditions(twin: MakeTwin, index: str) -> None:
    pair = twin(f"CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, note TEXT); {index}").start()
    pair.run(FIRST)
    pair.sync()
    pair.run("INSERT OR REPLACE INTO t VALUES (9, 'A', 'new')")
    pair.sync()
    assert pair.app.execute("SELECT count(*) FROM t").fetchone() == (3,)
    pair.run("UPDATE OR REPLACE t SET name = 'C' WHERE id = 2")
    pair.sync()
    assert pair.app.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_a_partial_index_may_be_entered_without_its_columns_changing(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, a, live); CREATE UNIQUE INDEX i ON t (a) WHERE live").start()
    pair.run("INSERT INTO t VALUES (1, 'x', 1), (2, 'x', 0)")
    pair.sync()
    pair.run("UPDATE OR REPLACE t SET live = 1 WHERE id = 2")
    pair.sync()
    assert pair.other.execute("SELECT id FROM t").fetchall() == [(2,)]


@pytest.mark.parametrize("ddl", ["CREATE TABLE t (a, b)", "CREATE TABLE t (a INT NOT NULL PRIMARY KEY, rowid, b)"])
def test_replace_through_an_explicit_row_number(twin: MakeTwin, ddl: str) -> None:
    pair = twin(ddl).start()
    pair.run(*(f"INSERT INTO t (oid, a, b) VALUES ({n}, {n}, 'x')" for n in (-1, 1, 2, 3)))
    pair.sync()
    pair.run("INSERT OR REPLACE INTO t (oid, a, b) VALUES (2, 20, 'new')")
    pair.sync()
    pair.run("INSERT OR REPLACE INTO t (oid, a, b) VALUES (-1, 10, 'new')")
    pair.sync()
    pair.run("UPDATE OR REPLACE t SET oid = 3 WHERE a = 1")
    pair.sync()
    assert pair.app.execute("SELECT count(*) FROM t").fetchone() == (3,)


def test_upsert_that_changes_the_key_of_the_row_it_met(twin: MakeTwin) -> None:
    pair = twin(NAMED).start()
    pair.run(FIRST)
    pair.sync()
    pair.run("INSERT INTO t VALUES (7, 'a', 'n') ON CONFLICT (name) DO UPDATE SET id = excluded.id, note = 'met'")
    pair.sync()
    assert pair.other.execute("SELECT id FROM t WHERE name = 'a'").fetchall() == [(7,)]


def test_update_of_the_row_number_is_a_key_change_even_with_local_columns(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, a, mine)").start(without={"t": ("mine",)})
    pair.run("INSERT INTO t VALUES (1, 'x', 'p')")
    pair.sync()
    pair.run("UPDATE t SET rowid = 5")
    pair.sync()
    assert pair.other.execute("SELECT id, a FROM t").fetchall() == [(5, "x")]


def test_a_change_of_local_columns_only_is_not_captured(twin: MakeTwin) -> None:
    """Invariant 5: a column that stays each server's own does not even cause traffic."""
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, a, mine)").start(without={"t": ("mine",)})
    pair.run("INSERT INTO t VALUES (1, 'x', 'p')")
    pair.sync()
    pair.run("UPDATE t SET mine = 'q'")
    assert list(pair.source.read()) == []
    pair.run("UPDATE t SET mine = 'r', a = 'y'")
    (transaction,) = pair.sync()
    assert transaction.blocks[0].schema.column_names == ("id", "a")


CHILDREN = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE cascaded (id INTEGER PRIMARY KEY, p REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE emptied (id INTEGER PRIMARY KEY, p REFERENCES parent (id) ON DELETE SET NULL ON UPDATE SET NULL);
CREATE TABLE named (n TEXT PRIMARY KEY REFERENCES parent (name) ON UPDATE CASCADE ON DELETE CASCADE) WITHOUT ROWID;
"""


def test_foreign_key_actions_on_children_are_captured(twin: MakeTwin) -> None:
    pair = twin(CHILDREN).start()
    pair.run("PRAGMA foreign_keys = ON", "INSERT INTO parent VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    pair.run("INSERT INTO cascaded VALUES (1, 1), (2, 2), (3, 3)", "INSERT INTO emptied VALUES (1, 1), (2, 2), (3, 3)")
    pair.run("INSERT INTO named VALUES ('a'), ('b'), ('c')")
    pair.sync()
    pair.run("DELETE FROM parent WHERE id = 1")
    pair.sync()
    pair.run("UPDATE parent SET id = 20, name = 'bb' WHERE id = 2")
    pair.sync()
    pair.run("REPLACE INTO parent VALUES (4, 'c')")
    pair.sync()
    assert pair.other.execute("SELECT id, p FROM cascaded").fetchall() == [(2, 20)]
    assert pair.other.execute("SELECT id, p FROM emptied").fetchall() == [(1, None), (2, None), (3, None)]


def test_swap_of_unique_names_in_one_transaction(twin: MakeTwin) -> None:
    pair = twin(NAMED).start()
    pair.run(FIRST)
    pair.sync()
    pair.run("BEGIN", "UPDATE t SET name = '' WHERE id = 1", "UPDATE t SET name = 'a' WHERE id = 2")
    pair.run("UPDATE t SET name = 'b' WHERE id = 1", "COMMIT")
    pair.sync()
    assert pair.repairs == 1


def test_swap_of_keys_in_one_transaction(twin: MakeTwin) -> None:
    pair = twin(NAMED).start()
    pair.run(FIRST, "BEGIN", "UPDATE t SET id = 0 WHERE id = 1", "UPDATE t SET id = 1 WHERE id = 2")
    pair.run("UPDATE t SET id = 2 WHERE id = 0", "COMMIT")
    pair.sync()


@pytest.mark.parametrize("kind", ["", "WITHOUT ROWID"])
def test_a_key_that_only_changes_its_case(twin: MakeTwin, kind: str) -> None:
    pair = twin(f"CREATE TABLE t (k TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, v) {kind}").start()
    pair.run("INSERT INTO t VALUES ('ab', 1), ('cd', 2)")
    pair.sync()
    pair.run("UPDATE t SET k = 'AB' WHERE k = 'ab'")
    pair.sync()
    pair.run("REPLACE INTO t VALUES ('CD', 3)")
    pair.sync()
    pair.run("UPDATE t SET v = 5")
    pair.sync()
    assert pair.other.execute("SELECT k, v FROM t ORDER BY v, k").fetchall() == [("AB", 5), ("CD", 5)]


def test_the_same_key_as_case_ignoring_on_one_side_only(twin: MakeTwin) -> None:
    ddl = "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, v)"
    pair = twin(ddl.replace("TEXT", "TEXT COLLATE NOCASE"), ddl_secondary=ddl).start()
    pair.run("INSERT INTO t VALUES ('ab', 1)")
    pair.sync()
    pair.run("UPDATE t SET k = 'AB'")
    pair.sync()


def test_names_that_need_quotes_everywhere(twin: MakeTwin) -> None:
    pair = twin(
        'CREATE TABLE "select ""from\'; é" ("Order" INT NOT NULL, "a b" TEXT UNIQUE, "x""y", PRIMARY KEY ("Order"))'
    )
    pair.start()
    pair.run("INSERT INTO \"select \"\"from'; é\" VALUES (1, 'a', 1), (2, 'b', 2)")
    pair.sync()
    pair.run(
        'REPLACE INTO "select ""from\'; é" VALUES (3, \'a\', 3)', 'DELETE FROM "select ""from\'; é" WHERE "Order" = 2'
    )
    pair.sync()


def test_generated_columns_are_left_to_each_server(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INTEGER PRIMARY KEY, a, twice AS (a * 2), kept AS (a * 3) STORED)").start()
    pair.run("INSERT INTO t VALUES (1, 2)", "UPDATE t SET a = 5")
    pair.sync()
    assert pair.captured["t"].column_names == ("id", "a")
    assert pair.other.execute("SELECT twice, kept FROM t").fetchall() == [(10, 15)]


def test_wrongly_typed_values_pass_as_they_are(twin: MakeTwin) -> None:
    pair = twin("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, n INTEGER, s TEXT, r REAL, b BLOB)").start()
    pair.run("INSERT INTO t VALUES ('key', 'text', x'00ff', 'r', 5), (1.5, 1.5, NULL, NULL, 'b'), (x'01', 7, 7, 7, 7)")
    pair.sync()
    pair.run("UPDATE t SET n = 0", "DELETE FROM t WHERE id = x'01'")
    pair.sync()


def test_delete_everything_and_rolled_back_work(twin: MakeTwin) -> None:
    pair = twin(NAMED).start()
    pair.run(FIRST, "BEGIN", "DELETE FROM t", "ROLLBACK", "SAVEPOINT s", "DELETE FROM t WHERE id = 1", "ROLLBACK TO s")
    pair.run("RELEASE s", "INSERT OR IGNORE INTO t VALUES (1, 'z', 'ignored')")
    pair.sync()
    pair.run("DELETE FROM t")
    assert keys_of(pair.sync()) == [("DELETE", "t", (1,)), ("DELETE", "t", (2,)), ("DELETE", "t", (3,))]


def test_capture_is_invisible_to_applications(twin: MakeTwin) -> None:
    pair = twin(NAMED).start()
    cursor = pair.app.execute("INSERT INTO t VALUES (41, 'a', 'x')")
    assert (cursor.lastrowid, cursor.rowcount) == (41, 1)
    assert pair.app.execute("SELECT last_insert_rowid(), changes()").fetchone() == (41, 1)
