"""Tables that are altered while they are replicated."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair, eventually

pytestmark = pytest.mark.postgres


@pytest.fixture
def filled(pair: Pair) -> Pair:
    """A pair with a table of some rows, and one beside it."""
    pair.create(
        "CREATE TABLE t (id int PRIMARY KEY, n smallint, v varchar(10))", "CREATE TABLE other (id int PRIMARY KEY)"
    )
    pair.begin()
    pair.do("INSERT INTO t SELECT n, n, 'v' || n FROM generate_series(1, 20) n")
    return pair


def follows(pair: Pair) -> None:
    """Wait until both sides are equal: what no row tells comes with a copy of the table."""
    pair.settle()
    eventually(lambda: pair.verify()["equal"], "equal sides")
    pair.equal()


def test_columns_added_and_types_widened_in_a_transaction_that_writes(filled: Pair) -> None:
    """Invariants 1 and 2: in the order of the transaction, and with the default that older rows have now."""
    filled.east.run(
        "UPDATE t SET v = 'before' WHERE id = 1",
        "ALTER TABLE t ADD COLUMN more text DEFAULT 'default', ALTER n TYPE int, ALTER v TYPE text",
        "INSERT INTO t VALUES (21, 100000, 'longer than ten', 'more')",
        "UPDATE t SET more = 'after' WHERE id = 2",
    )
    follows(filled)
    assert filled.west.ask("SELECT more, count(*) FROM t GROUP BY more") == [
        ("after", "1"),
        ("default", "19"),
        ("more", "1"),
    ]


def test_tables_that_are_made_are_followed_and_guarded(filled: Pair) -> None:
    """Invariant 1: a new table comes with its rows."""
    filled.east.run("CREATE TABLE later (k text PRIMARY KEY, at timestamp)", "INSERT INTO later VALUES ('a', now())")
    eventually(lambda: filled.west.ask("SELECT to_regclass('later') IS NOT NULL") == [("True",)], "the table")
    eventually(lambda: filled.west.ask("SELECT count(*) FROM later") == [("1",)], "its row")
    filled.do("INSERT INTO later VALUES ('b', NULL)", "UPDATE t SET v = 'w'")
    filled.west.refuses("DELETE FROM later", "make the change on cms-east")


@pytest.mark.parametrize(
    ("alter", "remedy"),
    [
        ("ALTER TABLE t DROP COLUMN v", "ALTER TABLE t DROP COLUMN v"),
        ("ALTER TABLE t RENAME v TO w", "ALTER TABLE t RENAME v TO w"),
        ("ALTER TABLE t ALTER v TYPE int USING id", "ALTER TABLE t ALTER v TYPE int USING id"),
    ],
    ids=["drop", "rename", "other type"],
)
def test_what_can_not_be_followed_pauses_that_table_alone(filled: Pair, alter: str, remedy: str) -> None:
    """Invariants 1 and 10: the others go on; once the secondary is altered too, the table is copied and goes on."""
    filled.east.run(alter, "INSERT INTO t (id) VALUES (100)", "INSERT INTO other VALUES (1)")
    assert "v" in filled.paused("t").difference
    filled.settle()
    assert filled.west.ask("SELECT id FROM other") == [("1",)]
    assert not filled.verify()["equal"]
    filled.west.alone(remedy)
    filled.resumed("t")
    filled.do("UPDATE t SET n = 5 WHERE id = 100")


def test_a_secondary_that_was_narrower_is_widened(pair: Pair) -> None:
    """Invariant 1."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, n int)")
    pair.west.alone("ALTER TABLE t ALTER n TYPE smallint")
    pair.begin()
    pair.do("INSERT INTO t VALUES (1, 40000)")
