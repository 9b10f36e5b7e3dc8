"""Invariant 1: every way in which a row can change or vanish is noted, and no application fails for our sake."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from sync.errors import CatalogChanged
from sync.model.change import ABSENT
from tests.unit.adapters.postgres.primary import Primary

Make = Callable[..., Primary]
KEYED = "CREATE TABLE t (id int PRIMARY KEY, v text)"
FIRST = "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')"


def test_statements_of_every_kind(journalled: Make) -> None:
    made = journalled(KEYED)
    made.run(FIRST)
    assert len(made.changes()) == 3
    made.run("UPDATE t SET id = 10 - id WHERE id < 3")
    assert sorted(made.changes()) == [
        ("t", "DELETE", (1, ABSENT)),
        ("t", "DELETE", (2, ABSENT)),
        ("t", "UPSERT", (8, "b")),
        ("t", "UPSERT", (9, "a")),
    ]
    made.run("INSERT INTO t VALUES (3, 'x'), (4, 'd') ON CONFLICT (id) DO UPDATE SET v = 'met'")
    assert sorted(made.changes()) == [("t", "UPSERT", (3, "met")), ("t", "UPSERT", (4, "d"))]
    made.run(
        "MERGE INTO t USING (VALUES (3), (4), (5)) AS s (n) ON t.id = s.n WHEN MATCHED AND n = 3 THEN DELETE"
        " WHEN MATCHED THEN UPDATE SET v = 'merged' WHEN NOT MATCHED THEN INSERT VALUES (n, 'new')"
    )
    expected = [("t", "DELETE", (3, ABSENT)), ("t", "UPSERT", (4, "merged")), ("t", "UPSERT", (5, "new"))]
    assert sorted(made.changes()) == expected
    made.run("WITH gone AS (DELETE FROM t WHERE id = 4 RETURNING id) INSERT INTO t SELECT id + 2, 'moved' FROM gone")
    assert sorted(made.changes()) == [("t", "DELETE", (4, ABSENT)), ("t", "UPSERT", (6, "moved"))]
    with made.app.cursor().copy("COPY t FROM STDIN") as copy:
        copy.write_row((7, "copied"))
    made.run("UPDATE t SET v = v WHERE false", "BEGIN", "DELETE FROM t", "ROLLBACK")
    assert made.changes() == [("t", "UPSERT", (7, "copied"))]


def test_truncate_with_cascade_and_what_comes_behind(journalled: Make) -> None:
    made = journalled("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a)")
    made.run("INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1)")
    made.read()
    made.run("BEGIN; INSERT INTO a VALUES (3); TRUNCATE a CASCADE; INSERT INTO a VALUES (4); COMMIT")
    assert made.changes() == [
        ("a", "TRUNCATE", (ABSENT,)), ("a", "DELETE", (3,)), ("a", "UPSERT", (4,)), ("b", "TRUNCATE", (ABSENT,)),
    ]  # fmt: skip


def test_foreign_key_actions(journalled: Make) -> None:
    made = journalled(
        "CREATE TABLE p (id int PRIMARY KEY);"
        "CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE ON UPDATE SET NULL)"
    )
    made.run("INSERT INTO p VALUES (1), (2), (3); INSERT INTO c VALUES (1, 1), (2, 2), (3, 3)")
    made.read()
    made.run("DELETE FROM p WHERE id = 1", "UPDATE p SET id = 20 WHERE id = 2")
    assert [each for each in made.changes() if each[0] == "c"] == [
        ("c", "DELETE", (1, ABSENT)),
        ("c", "UPSERT", (2, None)),
    ]


def test_sessions_in_replica_role_are_captured(journalled: Make) -> None:
    """As a restore of one table does it; only our own applier passes by (see the contract)."""
    made = journalled(KEYED)
    made.run("SET session_replication_role = replica", FIRST)
    assert len(made.changes()) == 3


def test_a_table_without_a_key(journalled: Make) -> None:
    made = journalled("CREATE TABLE t (a int, b text, c json, mine int)", "t.mine")
    made.run("""INSERT INTO t VALUES (1, 'x', '{ "n" : 1}', 5), (1, 'x', '{ "n" : 1}', 6), (NULL, NULL, NULL, 7)""")
    assert made.changes() == [
        ("t", "DELETE", (1, "x", '{ "n" : 1}')), ("t", "DELETE", (None, None, None)),
        ("t", "INSERT", (1, "x", '{ "n" : 1}')), ("t", "INSERT", (1, "x", '{ "n" : 1}')), ("t", "INSERT", (None,) * 3),
    ]  # fmt: skip
    made.run("UPDATE t SET mine = 8")
    assert made.changes() == []
    made.run("UPDATE t SET b = 'y' WHERE a IS NULL", "DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)")
    assert made.changes() == [
        ("t", "DELETE", (1, "x", '{ "n" : 1}')), ("t", "DELETE", (None, "y", None)), ("t", "DELETE", (None,) * 3),
        ("t", "INSERT", (1, "x", '{ "n" : 1}')), ("t", "INSERT", (None, "y", None)),
    ]  # fmt: skip


def test_local_columns_cause_no_traffic(journalled: Make) -> None:
    """Invariant 5."""
    made = journalled("CREATE TABLE t (mine text, id int PRIMARY KEY, v json)", "t.mine")
    made.run("""INSERT INTO t VALUES ('secret', 1, '{"a": 1}'), ('secret', 2, NULL)""")
    assert sorted(row for _, _, row in made.changes()) == [(1, '{"a": 1}'), (2, None)]
    made.run("UPDATE t SET mine = 'more'")
    assert made.changes() == []
    assert "secret" not in str(made.ask("SELECT * FROM admin_sync.journal"))
    # Even a blank is a change.
    made.run("""UPDATE t SET mine = 'x', v = '{"a":1}' WHERE id = 1""", "UPDATE t SET id = 3 - id WHERE false")
    assert made.changes() == [("t", "UPSERT", (1, '{"a":1}'))]


def test_keys_of_every_type_whatever_the_writer_has_set(journalled: Make) -> None:
    made = journalled(
        "CREATE TYPE mood AS ENUM ('so', 'la, la');"
        "CREATE TABLE t (at timestamptz, f float8, b bytea, n numeric, c char(5), m money, i inet, e mood, a text[],"
        " u uuid, d date, o boolean, PRIMARY KEY (at, f, b, n, c, m, i, e, a, u, d, o), v int)"
    )
    made.run(
        "SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'; SET extra_float_digits = -5;SET bytea_output = 'escape'"
    )
    row = (
        "'2026-01-31 10:00+00', 0.1::float8 + 0.2, '\\x00ff', 1.50, 'ab', 1234.5, '10.0.0.1/8', 'la, la',"
        """ '{"a,b",NULL}',"""
        " '6ecd8c99-4036-403d-bf84-cf8400f67836', '2026-02-01', true"
    )
    made.run(f"INSERT INTO t VALUES ({row}, 1)")
    assert [op for _, op, _ in made.changes()] == ["UPSERT"]
    made.run("UPDATE t SET n = 1.500")
    # One and the same for every index, and another value.
    changes = made.changes()
    assert sorted(op for _, op, _ in changes) == ["DELETE", "UPSERT"]
    made.run("DELETE FROM t")
    ((_, op, deleted),) = made.changes()
    assert op == "DELETE"
    assert deleted == (
        "2026-01-31 10:00:00+00", 0.1 + 0.2, b"\x00\xff", "1.500", "ab", "1234.50", "10.0.0.1/8", "la, la",
        '{"a,b",NULL}', "6ecd8c99-4036-403d-bf84-cf8400f67836", "2026-02-01", True, ABSENT,
    )  # fmt: skip


def test_names_that_need_quotes(journalled: Make) -> None:
    made = journalled(
        'CREATE SCHEMA "O\'ther"; CREATE TABLE "O\'ther"."Mixed ""Case\\" ("Id $note$" int PRIMARY KEY,'
        ' "or\'der %s" text,'
        ' twice int GENERATED ALWAYS AS ("Id $note$" * 2) STORED, "{ü}" int GENERATED ALWAYS AS IDENTITY)'
    )
    made.run('INSERT INTO "O\'ther"."Mixed ""Case\\" ("Id $note$", "or\'der %s") VALUES (1, \'x\')')
    assert made.changes() == [("O'ther.Mixed \"Case\\", "UPSERT", (1, "x", 1))]


@pytest.mark.parametrize(
    "alter",
    [
        "ALTER TABLE t RENAME id TO number",
        "ALTER TABLE t ALTER id TYPE bigint",
        "ALTER TABLE t ALTER id TYPE text",
        "ALTER TABLE t DROP COLUMN junk",
        "ALTER TABLE t DROP COLUMN id",
        "ALTER TABLE t DROP COLUMN junk, DROP COLUMN v, DROP COLUMN mine",
    ],
)
def test_an_altered_table_can_be_written_and_is_not_read_wrongly(journalled: Make, alter: str) -> None:
    """Invariant 1: applications go on, in sessions old and new; capture does not, until somebody looked."""
    made = journalled("CREATE TABLE t (junk int, id int PRIMARY KEY, v text, mine int)", "t.mine")
    made.run("INSERT INTO t VALUES (0, 1, 'a', 0), (0, 2, 'b', 0)")
    made.read()
    left = "id = id + 10" if "mine" in alter else "mine = 2"
    made.run("UPDATE t SET mine = 1", alter, f"UPDATE t SET {left} WHERE ctid = (SELECT min(ctid) FROM t)")
    with psycopg.connect(made.url) as other:
        other.execute("DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t)")
    with pytest.raises(CatalogChanged):
        made.read()


def test_a_writer_needs_no_right_on_the_journal(journalled: Make) -> None:
    made = journalled(KEYED)
    made.run("DROP ROLE IF EXISTS clerk", "CREATE ROLE clerk LOGIN", "GRANT ALL ON t TO clerk")
    with psycopg.connect(made.url.replace("postgres@", "clerk@")) as app:
        app.execute(FIRST)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
            app.execute("DELETE FROM admin_sync.journal")
    made.run("DROP OWNED BY clerk", "DROP ROLE clerk")
    assert len(made.changes()) == 3
