"""What is no ordinary table: what of it crosses, and what is said of the rest."""

from __future__ import annotations

import pytest

import adapters
from sync.core.filter import Filter, Verdict
from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def refusal(pair: Pair, table: str) -> str:
    """What `admin-sync check` says of a table that was asked for and is not replicated."""
    site = adapters.open_site(pair.east.url)
    facts = next(found for found in site.catalog() if found.name == table)
    site.close()
    decision = Filter(pair.chosen.selection()).decide(facts)
    assert decision.verdict is Verdict.REFUSED
    return decision.reason


def test_materialized_views_are_each_servers_own(pair: Pair) -> None:
    """Their refreshing writes nothing that is captured."""
    pair.create(
        "CREATE TABLE t (id int PRIMARY KEY, v text)",
        "CREATE MATERIALIZED VIEW m AS SELECT v, count(*) FROM t GROUP BY v",
        "CREATE UNIQUE INDEX ON m (v)",
    )
    pair.begin()
    pair.do("INSERT INTO t SELECT n, 'v' || n % 3 FROM generate_series(1, 30) n")
    pair.east.alone("REFRESH MATERIALIZED VIEW m", "REFRESH MATERIALIZED VIEW CONCURRENTLY m")
    pair.do("CREATE MATERIALIZED VIEW later AS SELECT 1", "UPDATE t SET v = 'v4'")
    assert pair.west.ask("SELECT * FROM m") == []
    assert "no ordinary table" in refusal(pair, "m")


def test_views_foreign_and_unlogged_tables_are_refused_with_the_reason(pair: Pair) -> None:
    pair.create(
        "CREATE TABLE t (id int PRIMARY KEY)",
        "CREATE VIEW looks AS SELECT * FROM t",
        "CREATE UNLOGGED TABLE quick (id int PRIMARY KEY)",
        "CREATE EXTENSION file_fdw",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        "CREATE FOREIGN TABLE outside (a text) SERVER files OPTIONS (filename '/dev/null')",
    )
    pair.begin()
    pair.east.run("INSERT INTO quick VALUES (1)")
    pair.do("INSERT INTO looks VALUES (1)")
    assert "a view over t" in refusal(pair, "looks")
    assert "no ordinary table" in refusal(pair, "outside")
    assert "no ordinary table" in refusal(pair, "quick")


def test_tables_that_inherit_are_captured_as_themselves(pair: Pair) -> None:
    """Invariants 1 and 4: a row belongs to one table only, also where a statement names another."""
    pair.create(
        "CREATE TABLE base (id int PRIMARY KEY, v text)",
        "CREATE TABLE special (PRIMARY KEY (id), more int) INHERITS (base)",
    )
    pair.east.run("INSERT INTO base VALUES (1, 'base')", "INSERT INTO special VALUES (2, 'special', 5)")
    pair.begin()
    pair.equal()
    pair.do("INSERT INTO special VALUES (3, 'x', 1)", "UPDATE base SET v = v || '!'", "DELETE FROM base WHERE id = 2")
    assert pair.west.ask("SELECT * FROM ONLY base") == [("1", "base!")]
    pair.do("TRUNCATE ONLY base")
    pair.do("TRUNCATE base")


def test_temporary_tables_are_nobodys_business(pair: Pair) -> None:
    pair.create("CREATE TABLE t (id int PRIMARY KEY)")
    pair.begin()
    with pair.east.connect() as app:
        app.execute("CREATE TEMPORARY TABLE t (id int PRIMARY KEY, v text)")
        app.execute("INSERT INTO t VALUES (1, 'temporary')")
    pair.do("INSERT INTO t VALUES (7)")


def test_large_objects_and_sequences_do_not_cross(pair: Pair) -> None:
    """What a column refers to by a number comes as that number."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, picture oid)", "CREATE SEQUENCE s")
    pair.begin()
    pair.do("INSERT INTO t SELECT nextval('s'), lo_from_bytea(0, 'content') FROM generate_series(1, 3)")
    assert pair.west.ask("SELECT count(*) FROM pg_largeobject_metadata WHERE oid IN (SELECT picture FROM t)") == [
        ("0",)
    ]
    assert pair.west.ask("SELECT is_called FROM s") == [("False",)]
