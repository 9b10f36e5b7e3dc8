"""Rows that come, change and go, whatever identifies them."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_inserts_updates_and_deletes(pair: Pair) -> None:
    """Invariants 1 to 4."""
    pair.create(
        "CREATE TABLE keyed (id int PRIMARY KEY, a int, b text)",
        "CREATE TABLE pairs (y text, x int, note text, PRIMARY KEY (x, y))",
        "CREATE TABLE only_key (id int PRIMARY KEY)",
    )
    pair.begin()
    pair.do(
        "INSERT INTO keyed SELECT n, n % 7, 'row ' || n FROM generate_series(1, 300) n",
        "INSERT INTO pairs SELECT 'y' || n % 10, n / 10, 'note' FROM generate_series(0, 99) n",
        "INSERT INTO only_key SELECT generate_series(1, 50)",
    )
    pair.do("UPDATE keyed SET b = NULL, a = -a WHERE id % 2 = 0", "UPDATE pairs SET note = y || x WHERE x < 5")
    pair.do("DELETE FROM keyed WHERE id > 200", "DELETE FROM pairs WHERE y = 'y3'", "DELETE FROM only_key")
    assert pair.west.ask("SELECT count(*), count(b), sum(a) FROM keyed") == [("200", "100", "-2")]


def test_a_row_changed_many_times_in_one_transaction_is_as_it_was_last(pair: Pair) -> None:
    """Invariants 2 and 3."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.begin()
    pair.do(
        "INSERT INTO t VALUES (1, 'a'), (2, 'a'), (3, 'a')",
        "UPDATE t SET v = 'b'",
        "DELETE FROM t WHERE id = 2",
        "INSERT INTO t VALUES (2, 'again')",
        "UPDATE t SET v = v || v",
        "DELETE FROM t WHERE id = 3",
    )
    assert pair.west.ask("SELECT * FROM t") == [("1", "bb"), ("2", "againagain")]


def test_keys_that_move_and_change_places(pair: Pair) -> None:
    """Invariant 4: a key's change is a delete and a put, so an order that is safe for one is safe for all."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.begin()
    pair.do("INSERT INTO t SELECT n, 'was ' || n FROM generate_series(1, 100) n")
    pair.do("UPDATE t SET id = id + 1000")
    pair.do("UPDATE t SET id = -id WHERE id IN (1001, 1002)", "UPDATE t SET id = 2003 + id WHERE id < 0")
    assert pair.west.ask("SELECT * FROM t WHERE id IN (1001, 1002)") == [("1001", "was 2"), ("1002", "was 1")]


def test_large_values_that_a_change_does_not_touch_stay(pair: Pair) -> None:
    """Invariant 1: PostgreSQL does not log what lies outside of the row and was not changed."""
    pair.create(
        "CREATE TABLE t (id int PRIMARY KEY, n int, large text, bytes bytea)",
        "ALTER TABLE t ALTER large SET STORAGE EXTERNAL, ALTER bytes SET STORAGE EXTERNAL",
    )
    pair.begin()
    pair.do(
        "INSERT INTO t SELECT n, 0, repeat('x' || n, 3000), decode(repeat('00ff', 4000), 'hex')"
        " FROM generate_series(1, 5) n"
    )
    pair.do("UPDATE t SET n = 1")
    pair.do("UPDATE t SET id = id + 10", "UPDATE t SET large = 'small now' WHERE id = 12")
    pair.do("UPDATE t SET bytes = bytes || bytes, n = 2 WHERE id > 13")


@pytest.mark.parametrize("identity", ["FULL", "USING INDEX code", "DEFAULT"])
def test_every_replica_identity_that_names_a_row(pair: Pair, identity: str) -> None:
    """Invariant 1."""
    pair.create(
        "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL, v text)",
        "CREATE UNIQUE INDEX code ON t (code)",
        f"ALTER TABLE t REPLICA IDENTITY {identity}",
    )
    pair.begin()
    pair.do("INSERT INTO t SELECT n, 'c' || n, 'v' FROM generate_series(1, 20) n")
    pair.do("UPDATE t SET v = id::text", "UPDATE t SET code = upper(code) WHERE id < 5", "DELETE FROM t WHERE id > 15")
    pair.do("UPDATE t SET id = id + 100 WHERE id < 3")


def test_a_table_without_primary_key_is_told_apart_by_a_unique_index(pair: Pair) -> None:
    """Invariant 1."""
    pair.create(
        "CREATE TABLE t (a int NOT NULL, b text NOT NULL, v text)",
        "CREATE UNIQUE INDEX t_b_a ON t (b, a)",
        "ALTER TABLE t REPLICA IDENTITY USING INDEX t_b_a",
    )
    pair.begin()
    pair.do("INSERT INTO t SELECT n % 5, 'b' || n / 5, NULL FROM generate_series(0, 24) n")
    pair.do("UPDATE t SET v = a || b", "DELETE FROM t WHERE b = 'b1'", "UPDATE t SET a = a + 10 WHERE b = 'b2'")


def test_what_is_rolled_back_and_what_changes_nothing_never_shows(pair: Pair) -> None:
    """Invariant 2."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.begin()
    pair.do("INSERT INTO t VALUES (1, 'a')")
    pair.east.alone("BEGIN", "INSERT INTO t VALUES (2, 'b')", "UPDATE t SET v = 'x'", "ROLLBACK")
    pair.do("UPDATE t SET v = v", "DELETE FROM t WHERE id = 99")
    assert pair.west.ask("SELECT * FROM t") == [("1", "a")]


def test_copy_and_merge_are_changes_like_any_other(pair: Pair) -> None:
    """Invariant 1."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.begin()
    with pair.east.app.cursor().copy("COPY t FROM STDIN") as rows:
        for number in range(500):
            rows.write_row((number, f"tab\there \\ and {number}"))
    pair.equal()
    pair.do(
        "MERGE INTO t USING (SELECT n FROM generate_series(490, 510) n) AS s ON t.id = s.n"
        " WHEN MATCHED AND s.n % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'merged'"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.n, 'new')"
    )
    pair.do("INSERT INTO t VALUES (1, 'x'), (600, 'y') ON CONFLICT (id) DO UPDATE SET v = 'conflict'")
