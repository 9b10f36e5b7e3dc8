"""Partitioned tables, seen as their root."""

from __future__ import annotations

import pytest

from sync.model.notice import Warned
from tests.scenarios.postgres.pair import Pair, eventually

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


def test_truncating_single_partitions_deletes_their_rows(pair: Pair) -> None:
    """Invariants 1 to 3: at any depth, among other statements, and beside a TRUNCATE of the root itself."""
    pair.create(*BY_LIST, "CREATE TABLE beside (id int PRIMARY KEY)")
    pair.begin()
    pair.do(FILL, "INSERT INTO beside VALUES (1)")
    pair.do("TRUNCATE t_north", "INSERT INTO t VALUES (200, 'north', 'behind')")
    pair.do("TRUNCATE t_rest0, beside")
    pair.do("TRUNCATE t", FILL, "TRUNCATE t_rest", "INSERT INTO t VALUES (201, 'south', 'behind')")
    pair.do("TRUNCATE t_north, t", "INSERT INTO t VALUES (1, 'north', '')")
    pair.east.run("SAVEPOINT a", "TRUNCATE t", "ROLLBACK TO a", "TRUNCATE t_north")
    pair.equal()
    assert pair.west.ask("SELECT * FROM t") == []
    assert not [each for each in pair.east.notices.of(Warned) if "again" in each.what]


def told_and_copied(pair: Pair, loss: str) -> None:
    eventually(lambda: [each for each in pair.east.notices.of(Warned) if loss in each.what], loss)
    pair.copied(2)
    pair.equal()


def test_a_partition_that_is_made_can_be_truncated(pair: Pair) -> None:
    """Invariant 1: whether that was before its trigger stood, which is a loss and told, or after."""
    pair.create(*BY_LIST)
    pair.begin()
    pair.create("CREATE TABLE t_south PARTITION OF t FOR VALUES IN ('south')")
    pair.install()
    pair.do(FILL)
    pair.do("TRUNCATE t_south")
    pair.stop(pair.east)
    pair.create("CREATE TABLE t_east PARTITION OF t FOR VALUES IN ('west')")
    pair.east.run("INSERT INTO t VALUES (300, 'west', '')")
    pair.east.run("TRUNCATE t_east")
    pair.start(pair.east)
    told_and_copied(pair, "t_east may have been truncated")
    pair.do("INSERT INTO t VALUES (300, 'west', '')", "TRUNCATE t_east")


def test_a_trigger_of_ours_that_is_gone_is_a_loss_where_its_partition_was_truncated(pair: Pair) -> None:
    """Invariant 1."""
    pair.create(*BY_LIST)
    pair.begin()
    pair.do(FILL)
    pair.east.alone("DROP TRIGGER admin_sync_before ON t_north; TRUNCATE t_north")
    told_and_copied(pair, "t_north may have been truncated")
    pair.do(FILL.replace("1, 99", "100, 199"), "TRUNCATE t_north")


def test_a_trigger_that_keeps_rows_refuses_the_truncate(pair: Pair) -> None:
    """Invariant 1: what a TRUNCATE would remove and no delete tells of."""
    pair.create(*BY_LIST)
    pair.begin()
    pair.do(FILL)
    pair.east.alone(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER keep BEFORE DELETE ON t_north FOR EACH ROW EXECUTE FUNCTION keep()",
        "ALTER TABLE t_north ENABLE ALWAYS TRIGGER keep",
    )
    pair.east.refuses("TRUNCATE t_north", "keeps its rows")
    pair.east.alone("ALTER TABLE t_north ENABLE TRIGGER keep")
    pair.do("TRUNCATE t_north")
