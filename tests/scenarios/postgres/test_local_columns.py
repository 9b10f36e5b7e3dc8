"""Columns that stay each server's own."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_local_columns_neither_leave_nor_change(pair: Pair) -> None:
    """Invariant 5, and invariant 1 for the others."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text, printer text DEFAULT 'none', n int NOT NULL DEFAULT 5)")
    pair.east.run("INSERT INTO t VALUES (1, 'a', 'east', 1), (2, 'b', 'east', 1)")
    pair.west.run("INSERT INTO t VALUES (1, 'x', 'west', 2)")
    pair.begin(local={"t": ["printer", "n"]})
    pair.equal()
    pair.do("INSERT INTO t VALUES (3, 'c', 'secret', 7)", "UPDATE t SET v = 'changed', printer = 'secret' WHERE id = 1")
    pair.west.run("UPDATE t SET printer = 'own' WHERE id = 3")
    pair.west.refuses("UPDATE t SET v = 'own'", "make the change on cms-east")
    pair.do("UPDATE t SET id = id + 10, v = 'moved' WHERE id < 3", "UPDATE t SET v = NULL WHERE id = 3")
    assert pair.west.ask("SELECT id, printer, n FROM t WHERE id = 3") == [("3", "own", "5")]
    assert pair.verify()["equal"]


def test_a_change_of_local_columns_alone_is_no_change(pair: Pair) -> None:
    """Invariant 5."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text, mine text)")
    pair.begin(local={"t": ["mine"]})
    pair.do("INSERT INTO t VALUES (1, 'a', 'b')")
    pair.do("UPDATE t SET mine = 'c'")
    assert pair.west.ask("SELECT mine FROM t") == [(None,)]


def test_another_choice_of_columns_is_followed_after_install_and_restart(pair: Pair) -> None:
    """Invariants 1 and 5: a column that is newly replicated is copied."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text, mine text)")
    pair.begin(local={"t": ["mine"]})
    pair.do("INSERT INTO t SELECT n, 'v', 'm' || n FROM generate_series(1, 50) n")
    pair.stop()
    pair.chosen.local = {}
    pair.install()
    pair.start()
    pair.copied(2)
    pair.equal()
