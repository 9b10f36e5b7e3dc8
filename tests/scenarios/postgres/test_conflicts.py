"""Rows of the secondary that are not what the primary takes them for."""

from __future__ import annotations

import pytest

from sync.model.notice import Applied
from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres
PAST_THE_GUARD = "SET LOCAL admin_sync.applying = 'on'"


@pytest.fixture
def filled(pair: Pair) -> Pair:
    """A pair with a table of ten rows."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, name text UNIQUE, v text)")
    pair.begin()
    pair.do("INSERT INTO t SELECT n, 'name ' || n, 'v' FROM generate_series(1, 10) n")
    return pair


@pytest.mark.parametrize(
    ("here", "then"),
    [
        ("INSERT INTO t VALUES (11, 'other', 'x')", "INSERT INTO t VALUES (11, 'name 11', 'v')"),
        ("DELETE FROM t WHERE id = 5", "UPDATE t SET v = 'w', name = 'five' WHERE id = 5"),
        ("UPDATE t SET v = 'x', name = 'y' WHERE id = 5", "UPDATE t SET v = 'w' WHERE id = 5"),
        ("DELETE FROM t WHERE id = 5", "DELETE FROM t WHERE id = 5"),
        ("UPDATE t SET v = 'x' WHERE id = 5", "DELETE FROM t WHERE id = 5"),
        ("DELETE FROM t WHERE id = 5", "UPDATE t SET id = 500 WHERE id = 5"),
        ("INSERT INTO t VALUES (500, 'other', 'x')", "UPDATE t SET id = 500 WHERE id = 5"),
    ],
    ids=[
        "insert meets",
        "update misses",
        "update differs",
        "delete misses",
        "delete differs",
        "move misses",
        "move meets",
    ],
)
def test_what_the_primary_says_holds(filled: Pair, here: str, then: str) -> None:
    """Invariant 4: a change states the row; what stood there before does not matter."""
    filled.west.run(PAST_THE_GUARD, here)
    filled.do(then)


def test_a_unique_value_held_by_another_row_is_named_and_waits(filled: Pair) -> None:
    """Invariants 1 and 10: it could be anybody's row, so a person decides."""
    filled.west.run(PAST_THE_GUARD, "INSERT INTO t VALUES (99, 'wanted', 'own')")
    filled.east.run("INSERT INTO t VALUES (11, 'wanted', 'v')")
    said = filled.refused()
    assert "t (id=11) column name" in said
    filled.west.run(PAST_THE_GUARD, "DELETE FROM t WHERE id = 99")
    filled.equal()


def test_the_guard_refuses_what_would_become_a_conflict(filled: Pair) -> None:
    """Who may write is the primary; the error says where to go."""
    for statement in ("INSERT INTO t VALUES (50)", "UPDATE t SET v = 'x'", "DELETE FROM t", "TRUNCATE t"):
        filled.west.refuses(statement, "make the change on cms-east")
    filled.equal()


def test_repairs_are_counted(filled: Pair) -> None:
    """Invariant 10."""
    filled.do("UPDATE t SET name = NULL WHERE id = 1", "UPDATE t SET name = 'name 1' WHERE id = 2",
              "UPDATE t SET name = 'name 2' WHERE id = 1")  # fmt: skip
    assert sum(each.repairs for each in filled.west.notices.of(Applied)) >= 1
