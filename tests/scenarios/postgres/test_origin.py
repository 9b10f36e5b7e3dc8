"""Whose changes are captured: applications' and other replicators', never an applier's of our own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import adapters
from sync.core.filter import Filter
from tests.scenarios.postgres.pair import Pair

pytestmark = pytest.mark.postgres


def test_what_another_replicator_brings_to_the_primary_is_passed_on(pair: Pair) -> None:
    """Invariant 1: a chain may begin with PostgreSQL's own logical replication."""
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)")
    pair.begin()
    with pair.east.connect() as app:
        app.execute("SELECT pg_replication_origin_create('scenario other')")
        app.execute("SELECT pg_replication_origin_session_setup('scenario other')")
        app.execute("SET session_replication_role = replica")
        app.execute("INSERT INTO t VALUES (1, 'from elsewhere')")
        app.execute("SELECT pg_replication_origin_session_reset()")
    pair.east.alone("SELECT pg_replication_origin_drop('scenario other')")
    pair.equal()
    assert pair.west.ask("SELECT id FROM t") == [("1",)]


def test_what_was_applied_is_not_captured_again(new_pair: Callable[..., Pair]) -> None:
    """Invariant 4: a slot on the secondary's database sees its local writes and nothing that was applied."""
    pair = new_pair()
    pair.create("CREATE TABLE t (id int PRIMARY KEY, v text)", "CREATE TABLE own (id int PRIMARY KEY)")
    pair.begin(exclude=("own",))
    # A capture beside the guard, as only a change of roles would leave one behind.
    site = adapters.open_site(pair.west.url)
    captured = Filter(pair.chosen.selection()).captured(site.catalog())
    site.close()
    pair.west.alone("CREATE PUBLICATION beside FOR ALL TABLES WITH (publish_via_partition_root = true)")
    slot = f"scenario_{pair.west.database}"
    pair.west.alone(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    pair.do("INSERT INTO t VALUES (1, 'a')", "UPDATE t SET v = 'b'")
    pair.west.run("INSERT INTO own VALUES (7)")
    peek = (
        f"pg_logical_slot_peek_binary_changes('{slot}', NULL, NULL, 'proto_version', '1', 'publication_names', 'beside'"
    )
    rows = "SELECT count(*) FROM {}, 'origin', '{}') WHERE get_byte(data, 0) IN (73, 85, 68)"
    assert captured.keys() == {"t", "scenario_mark"}
    if pair.version >= 16:
        assert pair.west.ask(rows.format(peek, "none")) == [("1",)]
        assert pair.west.ask(rows.format(peek, "any")) > [("1",)]
