"""Tables that are not the same on both sides."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_columns_in_another_order_and_columns_of_the_secondarys_own(pair: Pair) -> None:
    """Invariant 1: columns are told by their names; what only the secondary has gets its default and stays."""
    pair.east.alone("CREATE TABLE t (id int PRIMARY KEY, gone int, a text, b int)", "ALTER TABLE t DROP COLUMN gone")
    pair.west.alone("CREATE TABLE t (b int, own text DEFAULT 'mine', a text, id int PRIMARY KEY)")
    pair.east.run("INSERT INTO t VALUES (1, 'a', 1)")
    pair.begin()
    pair.do("INSERT INTO t SELECT n, 'a' || n, n FROM generate_series(2, 100) n")
    pair.west.run("SET LOCAL admin_sync.applying = 'on'", "UPDATE t SET own = 'written' WHERE id < 50")
    pair.do(
        "UPDATE t SET a = 'changed', id = id + 1000 WHERE id % 2 = 0",
        "UPDATE t SET b = 0",
        "DELETE FROM t WHERE id = 1",
    )
    assert pair.west.ask("SELECT own, count(*) FROM t WHERE id < 1000 GROUP BY own") == [
        ("mine", "25"),
        ("written", "24"),
    ]
    assert pair.verify()["equal"]


def test_types_that_take_each_others_values(pair: Pair) -> None:
    """Invariant 1."""
    pair.east.alone("CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b int, c numeric(8,2), d timestamp, e text)")
    pair.west.alone("CREATE TABLE t (id bigint PRIMARY KEY, a text, b bigint, c numeric, d timestamp, e varchar(40))")
    pair.east.run("INSERT INTO t VALUES (1, 'a', 1, 1.50, '2024-01-01', 'e')")
    pair.begin()
    pair.do("INSERT INTO t VALUES (2, 'b', NULL, 2, NULL, 'ee')", "UPDATE t SET c = c * 2, e = 'longer ' || e")
    assert pair.verify()["equal"]


def test_rows_refused_for_their_value_can_be_corrected_on_the_primary(pair: Pair) -> None:
    """Invariants 1 and 10."""
    pair.east.alone("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.west.alone("CREATE TABLE t (id int PRIMARY KEY, v varchar(5))")
    pair.begin()
    pair.do("INSERT INTO t VALUES (1, 'short')")
    pair.east.run("UPDATE t SET v = 'too long'")
    assert "t (id=1) column v: it has more than 5 characters" in pair.refused()
    pair.do("UPDATE t SET v = 'fits'")
