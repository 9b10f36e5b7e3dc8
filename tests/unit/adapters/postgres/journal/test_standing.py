"""Every way in which a note can be missing is told, once it is accepted goes on, and hides behind nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.postgres.journal import source as module
from sync.errors import DatabaseRefused, PositionLost
from sync.model.position import Position
from tests.unit.adapters.postgres.primary import Primary

Make = Callable[..., Primary]
KEYED = "CREATE TABLE t (id int PRIMARY KEY, v text)"
DISABLE, ENABLE = (f"ALTER TABLE t {verb} TRIGGER ALL" for verb in ("DISABLE", "ENABLE"))
LOST = "INSERT INTO t SELECT 1 + max(id), 'lost' FROM t"


def written(make: Make, ddl: str = KEYED) -> Primary:
    """A primary whose journal was confirmed."""
    made = make(ddl)
    made.run("INSERT INTO t VALUES (1, 'a')")
    made.read()
    made.source.confirm(made.position)
    return made


def assert_lost(made: Primary, why: str) -> None:
    """The loss is told at every opening until one goes on behind it, and then no more."""
    for _ in range(2):
        with pytest.raises(PositionLost, match=why) as lost:
            made.reopen()
    made.reopen(Position(max(lost.value.resume, made.position)), anew=False)
    made.run("INSERT INTO t (id, v) SELECT 1 + max(id), 'behind' FROM t")
    before = made.position
    assert [row[1] for _, _, row in made.changes()] == ["behind"]
    assert made.position > before
    made.source.confirm(made.position)
    made.reopen()
    assert made.read() == []


def test_triggers_that_were_disabled_for_a_while(journalled: Make) -> None:
    made = written(journalled)
    made.run("BEGIN", DISABLE, LOST, ENABLE, "COMMIT")
    assert_lost(made, "altered, or not there")


def test_triggers_that_were_disabled_for_a_while_are_noticed_by_a_running_source(
    journalled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = written(journalled)
    monkeypatch.setattr(module, "_LOOK_INTERVAL_S", 0)
    made.run(DISABLE, LOST)
    with pytest.raises(DatabaseRefused, match="install"):
        made.source.wait(0)
    made.run(ENABLE)
    with pytest.raises(PositionLost):
        made.source.wait(0)
    assert_lost(made, "altered, or not there")


@pytest.mark.parametrize(
    "statement",
    [
        DISABLE,
        "DROP TRIGGER admin_sync_note_update ON t",
        "ALTER TABLE t ENABLE REPLICA TRIGGER admin_sync_note_delete",
        "DROP FUNCTION admin_sync.note_1() CASCADE",
        "CREATE OR REPLACE FUNCTION admin_sync.note_1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (5, 'new')",
    ],
)
def test_triggers_that_are_not_there(journalled: Make, statement: str) -> None:
    made = written(journalled)
    made.run(statement, LOST)
    with pytest.raises(DatabaseRefused, match="install"):
        made.reopen()
    made.install()
    assert_lost(made, "altered, or not there")


def test_a_server_that_was_put_back_or_copied(journalled: Make) -> None:
    made = written(journalled)
    made.run("UPDATE admin_sync.meta SET value = 'another 00000001' WHERE name = 'server'")
    assert_lost(made, "restored or failed over")


def test_columns_that_are_added_and_renamed_are_no_loss(journalled: Make) -> None:
    made = written(journalled)
    made.run("ALTER TABLE t ADD COLUMN w int", "ALTER TABLE t RENAME v TO value", "INSERT INTO t VALUES (2, 'b', 5)")
    made.tables = made.survey()
    made.reopen()
    assert made.changes() == [("t", "UPSERT", (2, "b", 5))]


def test_a_column_before_the_key_that_is_dropped_is_a_loss(journalled: Make) -> None:
    made = journalled("CREATE TABLE t (junk int, id int PRIMARY KEY, v text)")
    made.run("INSERT INTO t VALUES (0, 1, 'a')")
    made.read()
    made.source.confirm(made.position)
    made.run("ALTER TABLE t DROP COLUMN junk", LOST)
    made.tables = made.survey()
    with pytest.raises(DatabaseRefused, match="install"):
        made.reopen()
    made.install()
    assert_lost(made, "altered, or not there")


def test_a_table_that_is_new_to_capture_is_no_loss(journalled: Make) -> None:
    made = written(journalled)
    made.run("CREATE TABLE u (id int PRIMARY KEY)")
    made.tables = made.survey()
    made.install()
    made.run("INSERT INTO u VALUES (1)")
    made.reopen()
    assert made.changes() == [("u", "UPSERT", (1,))]
    made.source.confirm(made.position)
    kept = made.tables
    made.tables = {"u": kept["u"]}
    made.install()
    made.run(LOST)
    made.tables = kept
    made.install()
    made.reopen()
    assert made.changes() == []


def test_notes_of_another_cluster_do_not_stay_for_ever(journalled: Make) -> None:
    """A restored dump brings notes along whose transactions are in this server's future."""
    made = written(journalled)
    made.run("INSERT INTO admin_sync.journal VALUES ('9000000000', 1, '{7}')")
    made.run("UPDATE admin_sync.meta SET value = 'another 00000001' WHERE name = 'server'")
    assert_lost(made, "copy of the database")
    assert made.ask("SELECT * FROM admin_sync.journal") == []
