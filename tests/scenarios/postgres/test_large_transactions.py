"""Transactions larger than a batch, interleaved ones, savepoints and what is taken back."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres
TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)"


def test_a_transaction_of_many_parts_shows_at_once(pair: Pair) -> None:
    """Invariants 2 and 7: a reader sees none of it or all of it."""
    pair.create(TABLE)
    pair.begin()
    pair.east.run(
        "INSERT INTO t SELECT n, repeat(md5(n::text), 4) FROM generate_series(1, 60000) n",
        "UPDATE t SET v = 'short' WHERE id % 3 = 0",
        "DELETE FROM t WHERE id % 5 = 0",
    )
    seen = pair.watch("SELECT count(*) FROM t", until="48000")
    assert seen <= {"0", "48000"}
    pair.equal()


def test_interleaved_large_transactions_come_one_after_the_other(pair: Pair) -> None:
    """Invariant 3."""
    pair.create(TABLE, "CREATE TABLE last (id int PRIMARY KEY, who text)")
    pair.begin()
    with pair.east.connect() as one, pair.east.connect() as other:
        one.execute("BEGIN")
        other.execute("BEGIN")
        for at in range(0, 30_000, 3_000):
            for app, sign in ((one, ""), (other, "-")):
                app.execute(f"INSERT INTO t SELECT {sign}n, 'x' FROM generate_series({at + 1}, {at + 3000}) n".encode())
        other.execute("INSERT INTO last VALUES (1, 'other')")
        other.execute("COMMIT")
        one.execute("INSERT INTO last VALUES (1, 'one') ON CONFLICT (id) DO UPDATE SET who = 'one'")
        one.execute("COMMIT")
    seen = pair.watch("SELECT (SELECT count(*) FROM t) || coalesce((SELECT who FROM last), '')", until="60000one")
    assert seen <= {"0", "30000other", "60000one"}
    pair.equal()


def test_savepoints_and_what_was_rolled_back_to_them(pair: Pair) -> None:
    """Invariant 2: only what was committed, however deep."""
    pair.create(TABLE)
    pair.begin()
    grow = "INSERT INTO t SELECT {0} + n, 'x' FROM generate_series(1, 5000) n"
    pair.do(
        grow.format(0),
        "SAVEPOINT one",
        grow.format(10_000),
        "SAVEPOINT two",
        grow.format(20_000),
        "UPDATE t SET v = 'undone'",
        "ROLLBACK TO two",
        grow.format(30_000),
        "SAVEPOINT three",
        "DELETE FROM t WHERE id < 100",
        "RELEASE three",
        "ROLLBACK TO one",
        grow.format(40_000),
        "SAVEPOINT four",
        "TRUNCATE t",
        "ROLLBACK TO four",
        "UPDATE t SET v = 'kept' WHERE id % 7 = 0",
    )
    assert pair.west.ask("SELECT count(*), min(id), max(id) FROM t") == [("10000", "1", "45000")]


def test_a_large_transaction_that_is_rolled_back_leaves_no_trace(pair: Pair) -> None:
    """Invariant 2: not even where the server had begun to decode it."""
    pair.create(TABLE)
    pair.begin()
    with pair.east.connect() as app:
        app.execute("BEGIN")
        app.execute("INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, 40000) n")
        pair.do("INSERT INTO t VALUES (-1, 'beside it')")
        app.execute("ROLLBACK")
    pair.do("INSERT INTO t VALUES (-2, 'after it')")
    assert pair.west.ask("SELECT count(*) FROM t") == [("2",)]


def test_errors_inside_functions_undo_only_their_part(pair: Pair) -> None:
    """Invariant 2: each exception block is a subtransaction; more of them than a server keeps in memory."""
    pair.create(TABLE)
    pair.begin()
    pair.do(
        "DO $$ BEGIN FOR n IN 1..300 LOOP BEGIN INSERT INTO t VALUES (n, 'x');"
        " IF n % 3 = 0 THEN RAISE division_by_zero; END IF;"
        " EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$"
    )
    assert pair.west.ask("SELECT count(*) FROM t") == [("200",)]
