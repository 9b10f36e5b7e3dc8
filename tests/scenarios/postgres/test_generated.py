"""Columns whose values a server makes: generated, identity, serial and default."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_generated_columns_are_made_on_each_side(pair: Pair) -> None:
    """A stored one and, where the server has them, a virtual one; they do not cross."""
    virtual = ", v int GENERATED ALWAYS AS (a + 1) VIRTUAL" if pair.version >= 18 else ""
    pair.create(f"CREATE TABLE t (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED{virtual})")
    pair.east.run("INSERT INTO t (id, a) VALUES (1, 10)")
    pair.begin()
    pair.do("INSERT INTO t (id, a) SELECT n, n FROM generate_series(2, 20) n", "UPDATE t SET a = -a WHERE id > 15")
    assert pair.west.ask("SELECT * FROM t ORDER BY id") == pair.east.ask("SELECT * FROM t ORDER BY id")


def test_a_column_generated_only_on_the_primary_is_the_secondarys_own(pair: Pair) -> None:
    """It does not cross, so the secondary's column has its default."""
    pair.east.alone("CREATE TABLE t (id int PRIMARY KEY, a int, sum int GENERATED ALWAYS AS (a + id) STORED)")
    pair.west.alone("CREATE TABLE t (id int PRIMARY KEY, a int, sum int DEFAULT 7)")
    pair.begin()
    pair.do("INSERT INTO t (id, a) VALUES (1, 1)")
    pair.do("UPDATE t SET a = 2")
    assert pair.west.ask("SELECT id, a, sum FROM t") == [("1", "2", "7")]


@pytest.mark.parametrize("kind", ["STORED", "VIRTUAL"])
def test_a_column_generated_only_on_the_secondary_pauses_the_table(pair: Pair, kind: str) -> None:
    """Invariant 10: its values can not be written; the remedy is one that works."""
    if kind == "VIRTUAL" and pair.version < 18:
        pytest.skip("a server before PostgreSQL 18 has no virtual columns")
    pair.east.alone("CREATE TABLE t (id int PRIMARY KEY, a int, b int)")
    pair.west.alone(f"CREATE TABLE t (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) {kind})")
    pair.east.run("INSERT INTO t VALUES (1, 1, 1)")
    pair.begin()
    pause = pair.paused("t")
    assert "generated" in pause.difference
    remedy = pause.remedy.removeprefix("Run on this database: ").partition(". Then")[0]
    assert ("DROP EXPRESSION" in remedy) == (kind == "STORED")
    pair.west.alone(remedy)
    pair.resumed("t")
    pair.equal()


def test_identity_and_serial_columns_keep_the_primarys_values(pair: Pair) -> None:
    """Invariant 1, and the limit: the secondary's sequences stay where they are."""
    pair.create(
        "CREATE TABLE always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)",
        "CREATE TABLE beside (k text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, d timestamp DEFAULT now())",
        "CREATE TABLE old (id serial PRIMARY KEY, u uuid DEFAULT gen_random_uuid())",
    )
    pair.begin()
    fill = (
        "INSERT INTO always (v) SELECT 'v' FROM generate_series(1, 50)",
        "INSERT INTO beside (k) SELECT 'k' || n FROM generate_series(1, 50) n",
        "INSERT INTO old SELECT FROM generate_series(1, 50)",
    )
    pair.do(*fill)
    pair.do("DELETE FROM always WHERE id < 40", "UPDATE beside SET k = k || '!', n = DEFAULT WHERE n > 40", *fill[:1])
    assert pair.west.ask("SELECT last_value, is_called FROM old_id_seq") == [("1", "False")]
