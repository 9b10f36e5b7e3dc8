"""Tables that are written anew without a row being changed."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_rewrites_bring_nothing_and_hide_nothing(pair: Pair) -> None:
    """Invariants 1 and 4: row versions move, rows do not."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text, w text)")
    pair.begin()
    pair.do("INSERT INTO t SELECT n, 'v' || n, repeat('w', 3000) FROM generate_series(1, 50) n")
    for rewrite in ("VACUUM FULL t", "CLUSTER t USING t_pkey", "VACUUM (FREEZE) t", "REINDEX TABLE t"):
        pair.east.run("UPDATE t SET v = v || '+' WHERE id % 5 = 0", "DELETE FROM t WHERE id = (SELECT max(id) FROM t)")
        pair.east.alone(rewrite)
        pair.do("INSERT INTO t VALUES ((SELECT max(id) FROM t) + 100, 'after', NULL)")
    pair.west.alone("VACUUM FULL t", "CLUSTER t USING t_pkey")
    pair.do("UPDATE t SET v = 'last'")


def test_an_alter_that_rewrites_in_the_middle_of_a_transaction(pair: Pair) -> None:
    """Invariant 2: rows before and after it belong to the same transaction."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)", "CREATE TABLE other (id int PRIMARY KEY, v text)")
    pair.begin()
    pair.do(
        "INSERT INTO t SELECT n, n::text FROM generate_series(1, 50) n",
        "INSERT INTO other VALUES (1, 'before')",
        "ALTER TABLE t ALTER v TYPE text USING v || '!'",
        "UPDATE t SET v = id::text WHERE true",
        "INSERT INTO t VALUES (100, 'after')",
        "UPDATE other SET v = 'after'",
    )


def test_emptied_and_filled_in_one_transaction(pair: Pair) -> None:
    """Invariant 2: what a nightly load does."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.begin()
    pair.do("INSERT INTO t SELECT n, 'old' FROM generate_series(1, 100) n")
    pair.do(
        "TRUNCATE t",
        "INSERT INTO t SELECT n, 'new' FROM generate_series(50, 150) n",
        "UPDATE t SET v = 'x' WHERE id = 60",
    )
    pair.do("DELETE FROM t", "INSERT INTO t SELECT n, 'newer' FROM generate_series(100, 120) n")
    pair.do("TRUNCATE t", "INSERT INTO t VALUES (1, 'a')", "TRUNCATE t", "INSERT INTO t VALUES (2, 'b')")
