"""Prepared transactions."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_a_prepared_transaction_comes_when_it_is_committed(pair: Pair) -> None:
    """Invariants 2 and 3: not when it is prepared, and after what was committed in between."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.begin()
    pair.do("INSERT INTO t VALUES (1, 'a')")
    pair.east.alone("BEGIN", "INSERT INTO t VALUES (2, 'two')", "PREPARE TRANSACTION 'scenario two'")
    pair.east.alone("BEGIN", "INSERT INTO t VALUES (3, 'three')", "PREPARE TRANSACTION 'scenario three'")
    pair.do("UPDATE t SET v = 'between' WHERE id = 1")
    assert pair.west.ask("SELECT id FROM t") == [("1",)]
    pair.stop(pair.east)
    pair.start(pair.east)
    pair.east.alone("ROLLBACK PREPARED 'scenario three'", "COMMIT PREPARED 'scenario two'")
    pair.equal()
    assert pair.west.ask("SELECT v FROM t") == [("between",), ("two",)]
