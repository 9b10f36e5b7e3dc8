"""Keys over periods of time (PostgreSQL 18)."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_keys_without_overlaps(pair: Pair) -> None:
    """Invariant 1: the key is no unique index, so rows are found by comparing them."""
    if pair.version < 18:
        pytest.skip("keys WITHOUT OVERLAPS came with PostgreSQL 18")
    pair.create(
        "CREATE EXTENSION btree_gist",
        "CREATE TABLE t (id int, during daterange, v text, PRIMARY KEY (id, during WITHOUT OVERLAPS))",
    )
    pair.east.run("INSERT INTO t VALUES (1, '[2024-01-01,2024-02-01)', 'a'), (2, '[2024-01-01,)', 'b')")
    pair.begin()
    pair.do("INSERT INTO t VALUES (1, '[2024-02-01,2024-03-01)', 'c')", "UPDATE t SET v = 'd' WHERE id = 2")
    pair.do("UPDATE t SET during = '[2024-02-10,2024-03-01)' WHERE v = 'c'", "DELETE FROM t WHERE v = 'a'")
