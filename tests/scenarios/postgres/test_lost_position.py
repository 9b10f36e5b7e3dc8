"""What takes changes out of the stream behind our back is named at once, and all tables are copied again."""

from __future__ import annotations

import pytest

from sync.model.notice import Warned
from tests.scenarios.postgres.pair import MARK, Pair, eventually

pytestmark = pytest.mark.postgres
TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)"
MISSED = "INSERT INTO t SELECT n, 'missed' FROM generate_series(100, 110) n"
SLOTS = "pg_replication_slots WHERE database = current_database()"
DROP_SLOT = f"""DO $$ BEGIN
  FOR try IN 1..1000 LOOP
    PERFORM pg_terminate_backend(active_pid) FROM {SLOTS} AND active;
    BEGIN
      PERFORM pg_drop_replication_slot(slot_name) FROM {SLOTS};
      EXIT;
    EXCEPTION WHEN object_in_use THEN
      PERFORM pg_sleep(0.01);
    END;
  END LOOP;
END $$"""
PARTS = (
    "CREATE TABLE t (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
    "CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (100)",
)
FULL = "(id int NOT NULL, v text)"


def begun(pair: Pair, *ddl: str) -> None:
    pair.create(*(ddl or (TABLE,)))
    pair.begin(include=("t", MARK))
    pair.do("INSERT INTO t VALUES (1, 'a'), (2, 'b')")


def named(pair: Pair, why: str) -> None:
    """The loss was told, and after the copy both sides are equal."""
    eventually(lambda: [each for each in pair.east.notices.of(Warned) if why in each.what], why)
    pair.copied(2)
    pair.equal()


def test_a_slot_dropped_while_it_is_read(pair: Pair) -> None:
    """Invariant 1."""
    begun(pair)
    pair.east.alone(DROP_SLOT)
    pair.east.run(MISSED, "DELETE FROM t WHERE id = 1")
    named(pair, "slot is gone")


def test_log_that_the_server_removed_while_it_was_read(pair: Pair) -> None:
    """Invariant 1."""
    begun(pair)
    pair.stop(pair.east)
    pair.east.run(MISSED)
    pair.east.alone("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
    try:
        pair.east.alone("CREATE TABLE calls (id int)")
        for _ in range(4):
            pair.east.alone("INSERT INTO calls VALUES (1)", "SELECT pg_switch_wal()")
        pair.east.alone("CHECKPOINT")
        assert pair.east.ask(f"SELECT wal_status FROM {SLOTS}") == [("lost",)]
    finally:
        pair.east.alone("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
    pair.start(pair.east)
    named(pair, "log was removed")


@pytest.mark.parametrize(
    ("altered", "back"),
    [
        ("DROP TABLE t", "ADD TABLE ONLY t"),
        ("SET (publish = 'insert')", "SET (publish = 'insert, update, delete, truncate')"),
    ],
)
def test_a_publication_altered_for_a_while(pair: Pair, altered: str, back: str) -> None:
    """Invariant 1: although all is as it was when anybody looks."""
    begun(pair)
    pair.east.run(f"ALTER PUBLICATION admin_sync {altered}")
    pair.east.run("DELETE FROM t WHERE id = 1", "UPDATE t SET v = 'missed'")
    pair.east.run(f"ALTER PUBLICATION admin_sync {back}")
    named(pair, "publication")


def test_a_table_made_anew_is_copied(pair: Pair) -> None:
    """Invariant 1: the node puts it into the publication, and nobody knows what was written before."""
    begun(pair)
    pair.east.run("DROP TABLE t", TABLE, MISSED)
    named(pair, "made anew")


def test_a_partition_that_is_made_is_no_loss(pair: Pair) -> None:
    begun(pair, *PARTS)
    pair.create("CREATE TABLE high PARTITION OF t FOR VALUES FROM (100) TO (200)")
    pair.install()
    pair.do(MISSED)
    pair.stop(pair.east)
    pair.start(pair.east)
    pair.equal()
    assert [each for each in pair.east.notices.of(Warned) if "again" in each.what] == []


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ((f"CREATE TABLE high {FULL}", "INSERT INTO high VALUES (100, 'missed')"), "high was attached"),
        (("ALTER TABLE t DETACH PARTITION low",), "detached or dropped"),
        (("DROP TABLE low",), "detached or dropped"),
    ],
    ids=["attached", "detached", "dropped"],
)
def test_a_partition_that_brings_rows_or_takes_them_away(pair: Pair, statements: tuple[str, ...], why: str) -> None:
    """Invariant 1: no log tells of these rows."""
    begun(pair, *PARTS)
    attach = "ALTER TABLE t ATTACH PARTITION high FOR VALUES FROM (100) TO (200)"
    if "attached" in why:
        pair.west.run(f"CREATE TABLE high {FULL}", attach)
        pair.install()
    pair.east.run(*statements, *((attach,) if "attached" in why else ()))
    named(pair, why)
