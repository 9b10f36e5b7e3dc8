"""Logical messages of applications, and other things in the log that are no rows."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_messages_of_applications_are_passed_over(pair: Pair) -> None:
    """Invariants 1 and 2: inside of a transaction, alone, and in one that is rolled back."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY)")
    pair.begin()
    say = "SELECT pg_logical_emit_message({}, 'app', repeat('x', 9000))"
    pair.do(say.format("true"), "INSERT INTO t VALUES (1)", say.format("false"), say.format("true"))
    pair.east.alone(say.format("true"), say.format("false"))
    pair.east.alone("BEGIN", say.format("true"), say.format("false"), "INSERT INTO t VALUES (9)", "ROLLBACK")
    pair.do("INSERT INTO t VALUES (2)")
    assert pair.west.ask("SELECT id FROM t") == [("1",), ("2",)]
