"""Only some rows of a table are replicated."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres
IN_RULE = "SELECT id, site, v FROM t WHERE site IN (1, 2)"


def begin(pair: Pair, rule: str = "site IN (1, 2)") -> None:
    pair.create("CREATE TABLE t (id int PRIMARY KEY, site int, v text)", "ALTER TABLE t REPLICA IDENTITY FULL")
    pair.east.run("INSERT INTO t SELECT n, n % 4, 'v' FROM generate_series(1, 40) n")
    pair.begin(rows={"t": rule})


def test_rows_come_and_go_with_the_rule(pair: Pair) -> None:
    """Invariants 1 and 5: a change that takes a row out of the rule takes it off the secondary."""
    begin(pair)
    pair.settle()
    assert pair.west.ask("SELECT id, site, v FROM t") == pair.east.ask(IN_RULE)
    for statements in (
        ("INSERT INTO t VALUES (100, 1, 'in'), (101, 3, 'out'), (102, NULL, 'unknown')",),
        ("UPDATE t SET site = 3 WHERE id < 10", "UPDATE t SET site = 1 WHERE id = 101", "UPDATE t SET v = 'w'"),
        ("UPDATE t SET id = id + 1000, site = site + 1",),
        ("DELETE FROM t WHERE id % 3 = 0", "UPDATE t SET site = NULL WHERE id = 1100"),
    ):
        pair.east.run(*statements)
        pair.settle()
        assert pair.west.ask("SELECT id, site, v FROM t") == pair.east.ask(IN_RULE)
    assert pair.verify()["equal"]


def test_the_secondarys_rows_outside_of_the_rule_are_its_own(pair: Pair) -> None:
    """Invariant 5, in both directions."""
    begin(pair)
    pair.west.run("SET LOCAL admin_sync.applying = 'on'", "INSERT INTO t VALUES (500, 7, 'own')")
    pair.east.run("UPDATE t SET v = 'x'", "DELETE FROM t WHERE site = 1")
    pair.settle()
    assert pair.west.ask("SELECT id, site, v FROM t WHERE site NOT IN (1, 2)") == [("500", "7", "own")]
    assert pair.verify()["equal"]


def test_a_rule_over_columns_outside_of_the_key(pair: Pair) -> None:
    """Without the whole old row in the log, only the new one decides."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, site int, v text)")
    pair.begin(rows={"t": "site IN (1, 2) AND v IS NOT NULL"})
    pair.east.run("INSERT INTO t VALUES (1, 1, 'a'), (2, 2, NULL), (3, 3, 'a'), (4, 1, 'b')")
    pair.east.run(
        "UPDATE t SET v = NULL WHERE id = 1", "UPDATE t SET v = 'c' WHERE id = 2", "DELETE FROM t WHERE id = 4"
    )
    pair.settle()
    assert pair.west.ask("SELECT id, v FROM t") == [("2", "c")]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("site IN (1, 2) AND name <> 'x''\\'", True),
        ("NOT (site = 3 OR 4 <= site) AND site IS NOT NULL", True),
        ("site BETWEEN -1 AND 2 OR name = 'é'", True),
        ("site = 1 OR name > 'm'", False),
        ("site % 2 = 1", False),
        ("site = 1 AND v = 'v'", False),
    ],
)
def test_what_the_server_can_be_told_it_leaves_out_itself(pair: Pair, rule: str, said: bool) -> None:
    """Invariants 1 and 5, whoever judges: rows enter and leave the rule, and only then does the stream tell of them."""
    pair.create("CREATE TABLE t (site int, name text, v text, PRIMARY KEY (site, name))")
    fill = "INSERT INTO t SELECT n % 6, left('aéx''\\', n % 5 + 1) || n % 3, 'v' FROM generate_series(1, 30) n"
    pair.east.run(f"{fill} ON CONFLICT DO NOTHING", "INSERT INTO t VALUES (2, 'x''\\', 'v'), (9, 'é', 'v')")
    pair.begin(rows={"t": rule})
    told = pair.version >= 15 and said
    filters = "SELECT 1 FROM pg_publication_rel WHERE to_jsonb(pg_publication_rel) ->> 'prqual' IS NOT NULL"
    assert bool(pair.east.ask(filters)) is told
    inside = f"SELECT site, name, v FROM t WHERE {rule}"
    for statements in (
        ("UPDATE t SET v = 'w'",),
        ("UPDATE t SET site = 20 - site WHERE site > 0",),
        ("UPDATE t SET site = 20 - site, v = 'back' WHERE site > 10",),
        ("UPDATE t SET name = name || 'y' WHERE site = 2", "DELETE FROM t WHERE site = 1"),
    ):
        pair.east.run(*statements)
        pair.settle()
        assert pair.west.ask("SELECT site, name, v FROM t") == pair.east.ask(inside)
    assert pair.verify()["equal"]


def test_a_new_rule_is_followed_after_install_and_restart(pair: Pair) -> None:
    """Invariant 5: rows that are newly in it are copied."""
    begin(pair)
    pair.stop()
    pair.chosen.rows = {"t": "site IN (2, 3)"}
    pair.install()
    pair.start()
    pair.copied(2)
    pair.settle()
    rule = "SELECT id FROM t WHERE site IN (2, 3)"
    assert pair.west.ask(rule) == pair.east.ask(rule)
