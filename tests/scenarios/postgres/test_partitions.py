"""Partitioned tables, seen as their root."""

from __future__ import annotations

import pytest

from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres
ROOT = "CREATE TABLE t (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY"
BY_LIST = (
    f"{ROOT} LIST (region)",
    "CREATE TABLE t_north PARTITION OF t FOR VALUES IN ('north')",
    "CREATE TABLE t_rest PARTITION OF t DEFAULT PARTITION BY HASH (id)",
    "CREATE TABLE t_rest0 PARTITION OF t_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    "CREATE TABLE t_rest1 PARTITION OF t_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
)
BY_RANGE = (
    f"{ROOT} RANGE (id)",
    "CREATE TABLE low PARTITION OF t FOR VALUES FROM (MINVALUE) TO (50)",
    "CREATE TABLE high (region text NOT NULL, v text, id int NOT NULL)",
    "ALTER TABLE t ATTACH PARTITION high FOR VALUES FROM (50) TO (MAXVALUE)",
)
PLAIN = ("CREATE TABLE t (v text, region text, id int, PRIMARY KEY (id, region))",)
SITES = "('{north,south,east}'::text[])[n % 3 + 1]"
FILL = f"INSERT INTO t (id, region, v) SELECT n, {SITES}, 'v' FROM generate_series(1, 99) n"


@pytest.mark.parametrize(
    ("east", "west"),
    [(BY_LIST, BY_LIST), (BY_LIST, BY_RANGE), (BY_RANGE, PLAIN), (PLAIN, BY_LIST)],
    ids=["alike", "unlike", "to plain", "from plain"],
)
def test_each_side_may_be_partitioned_in_its_own_way(pair: Pair, east: tuple[str, ...], west: tuple[str, ...]) -> None:
    """Invariant 1: rows that move between partitions too."""
    pair.east.alone(*east)
    pair.west.alone(*west)
    pair.east.run(FILL)
    pair.begin()
    pair.equal()
    assert pair.west.ask("SELECT count(*) FROM t") == [("99",)]
    pair.do("UPDATE t SET v = 'w' WHERE id % 2 = 0", "DELETE FROM t WHERE id > 90", "UPDATE t SET id = id + 40")
    pair.do("UPDATE t SET region = 'north' WHERE region = 'east'", "INSERT INTO t (id, region) VALUES (1, 'west')")
    pair.do("TRUNCATE t", FILL)
    assert pair.verify()["equal"]


def test_writing_to_a_partition_itself_is_writing_to_the_table(pair: Pair) -> None:
    """Invariant 1."""
    pair.create(*BY_LIST)
    pair.begin()
    pair.do(FILL)
    pair.do("INSERT INTO t_north VALUES (500, 'north', 'x')", "DELETE FROM t_rest1", "UPDATE t_rest SET v = 'y'")


def test_the_secondary_refuses_local_writes_to_its_partitions_too(pair: Pair) -> None:
    """The write guard stands on every partition."""
    pair.create(*BY_LIST)
    pair.begin()
    pair.do(FILL)
    for table in ("t", "t_north", "t_rest0"):
        pair.west.refuses(f"DELETE FROM {table}", "make the change on cms-east")
        pair.west.refuses(f"TRUNCATE {table}", "make the change on cms-east")


def test_truncating_a_single_partition_is_not_in_the_log_and_verify_tells(pair: Pair) -> None:
    """The limit: PostgreSQL publishes a TRUNCATE through the root only where it names the root."""
    pair.create(*BY_LIST)
    pair.begin()
    pair.do(FILL)
    pair.east.run("TRUNCATE t_north")
    pair.settle()
    assert not pair.verify()["equal"]
    pair.snapshot("t")
    pair.copied(2)
    pair.equal()
    pair.do("DELETE FROM t_rest")
